"""Files to predict, as inputs of a network, with the mapping back to each file's own grid."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.file_names import IMAGES, UNREAD, VOLUMES, is_clutter, name_without_suffix
from segbench.data.formats.volume_file import Volume, open_volume
from segbench.data.input_format import InputFormat
from segbench.data.plane import Plane
from segbench.errors import DataError


@dataclass(frozen=True)
class Picture:
    """An image file, or a volume with all its slices.

    Attributes:
        path: The file.
        pixels: Its slices at their own size, (Z,H,W,C) in the data set's stored scale; Z = 1 for an image file.
        plane: How a slice becomes a network input, and back.
        volume: The volume's header; None for an image file.
    """

    path: Path
    pixels: NDArray[Any]
    plane: Plane
    volume: Volume | None = None

    def inputs(self) -> list[NDArray[Any]]:
        """Return the images (h,w,C) that the data set would store for these slices."""
        return [self.plane.image(part) for part in self.pixels]


def is_picture(path: Path) -> bool:
    """Return whether a file is named like an image or a volume; ACDC's labels and 4-D cines do not count."""
    name = path.name.lower()
    if is_clutter(path) or not name.endswith((*VOLUMES, *IMAGES)):
        return False
    return not (name.endswith(VOLUMES) and name_without_suffix(path).lower().endswith(("_gt", "_4d")))


def unread(path: Path) -> str | None:
    """Return the fault of a file that is named like an image of a format that is not read; None for other files."""
    suffix = path.suffix.lower()
    if is_clutter(path) or suffix not in UNREAD:
        return None
    return f"{path}: {suffix} files are not read; convert it to PNG, TIFF or NIfTI"


def open_picture(path: Path, inputs: InputFormat) -> Picture:
    """Read an image file like the data set's own, or a volume with its intensities scaled by percentiles.

    Args:
        path: An image or a NIfTI volume.
        inputs: What the network takes.

    Raises:
        DataError: If the file is unreadable, damaged, or not an input of this network.
    """
    if path.name.lower().endswith(VOLUMES):
        if inputs.channels != 1:
            raise DataError(f"{path}: a grey volume, but the network was trained on {inputs.channels} channels")
        volume = open_volume(path)
        # Slices first; the first axis of a slice is x, the columns of an image.
        voxels = inputs.volume(volume).transpose(2, 1, 0)[..., None]
        x, y, _ = volume.spacing
        return Picture(path, voxels * inputs.scale, inputs.plane(voxels.shape[1:3], (y, x)), volume)
    return _picture(path, inputs.read(path), inputs)


def picture_of(image: str | os.PathLike[str] | NDArray[Any], inputs: InputFormat) -> Picture:
    """Return a file, or pixels (H,W) or (H,W,C) uint8 as a file of 8 bits holds them, as inputs of a network.

    Args:
        image: The file or the pixels.
        inputs: What the network takes.

    Raises:
        DataError: If it is not an input of this network.
    """
    if isinstance(image, str | os.PathLike):
        return open_picture(Path(image), inputs)
    pixels = image[..., None] if image.ndim == 2 else image
    if inputs.reading != "image":
        raise DataError(f"image: {inputs.name} scales intensities file by file; give the file's path, not its pixels")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != inputs.channels:
        raise DataError(f"image: {image.dtype} {image.shape}, but the network takes uint8 (H,W,{inputs.channels})")
    return _picture(Path("image"), pixels, inputs)


def _picture(path: Path, pixels: NDArray[Any], inputs: InputFormat) -> Picture:
    if pixels.dtype == np.uint8 and inputs.scale != 255.0:
        # The file has 8 bits, but the data set stores another range.
        pixels = pixels.astype(np.float32) * (inputs.scale / 255.0)
    return Picture(path, pixels[None], inputs.plane(pixels.shape[:2], None))
