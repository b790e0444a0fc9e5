"""Files with one image or several: a TIFF stack by page, a NIfTI volume by slice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segbench.data import nifti
from segbench.data.file_names import VOLUMES
from segbench.data.formats.image_file import ImageFile, as_image
from segbench.data.formats.mask_file import MaskFile, as_mask
from segbench.data.formats.reader import read_stored_pages
from segbench.data.formats.volume_file import open_volume
from segbench.errors import DataError

# ITU-R 601-2.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Pages:
    """The images of one file.

    Attributes:
        path: The file.
        pixels: (Z,H,W,C), as stored; Z = 1 for a file with a single image.
        white: The value of white; None where there is none (float, signed, a volume).
        colours: Whether three channels are red, green and blue.
        spacing: Size of a voxel in mm along (Z,H,W); None for other files than volumes.
        description: For messages: ``16-bit grey``.
    """

    path: Path
    pixels: NDArray[Any]
    white: int | None
    colours: bool
    spacing: tuple[float, float, float] | None
    description: str


def is_volume(path: Path) -> bool:
    """Return whether a file is a NIfTI volume, by its name."""
    return path.name.lower().endswith(VOLUMES)


def read_pages(path: Path) -> Pages:
    """Read all images of a file.

    Raises:
        DataError: If it is unusable, or its images differ in kind.
    """
    if is_volume(path):
        return _read_volume(path)
    files = [as_image(stored) for stored in read_stored_pages(path)]
    if len({(file.pixels.shape, file.pixels.dtype, file.white) for file in files}) > 1:
        raise DataError(f"{path}: {len(files)} pages of several kinds; save each as a file")
    first: ImageFile = files[0]
    colours = first.kind in ("RGB", "palette", "CMYK")
    pixels = first.pixels[None] if len(files) == 1 else np.stack([file.pixels for file in files])
    return Pages(path, pixels, first.white, colours, None, first.description)


def _read_volume(path: Path) -> Pages:
    volume = open_volume(path)
    voxels = nifti.finite(volume)
    x, y, z = volume.spacing
    # Slices first; the first axis of a slice is x, the columns of an image.
    return Pages(path, voxels.transpose(2, 1, 0)[..., None], None, False, (z, y, x), "volume")


def read_mask_pages(path: Path) -> list[MaskFile]:
    """Read all masks of a file, one for each page or slice.

    Raises:
        DataError: If it is unusable.
    """
    if not is_volume(path):
        return [as_mask(stored) for stored in read_stored_pages(path)]
    values = nifti.labels(open_volume(path)).transpose(2, 1, 0)
    return [MaskFile(path, np.ascontiguousarray(part), None, "volume") for part in values]


def as_one_image(pages: Pages) -> Pages:
    """Return a file of which one image is expected: of a stack of several, the pages are its channels."""
    return pages_as_channels(pages) if len(pages.pixels) > 1 and pages.spacing is None else pages


def pages_as_channels(pages: Pages) -> Pages:
    """Return the pages of a stack as the channels of one image, (1,H,W,Z)."""
    stacked = np.moveaxis(pages.pixels[..., 0], 0, -1)[None]
    return Pages(pages.path, stacked, pages.white, False, pages.spacing, pages.description)


def with_channels(pages: Pages, channels: int) -> NDArray[Any]:
    """Return a file's images (Z,H,W,channels).

    Grey is repeated, colours become grey by their luma, and of three channels the first two are taken if the third is
    empty.

    Raises:
        DataError: If they have other channels.
    """
    pixels, found = pages.pixels, pages.pixels.shape[-1]
    if found == channels:
        return pixels
    if found == 1 and channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    if found == 3 and channels == 1 and pages.colours:
        if pixels.dtype == np.uint8:
            return np.stack([np.asarray(Image.fromarray(part).convert("L")) for part in pixels])[..., None]
        return np.asarray((pixels @ np.array(_LUMA))[..., None].astype(pixels.dtype))
    if found == 3 and channels == 2 and not pixels[..., 2].any():
        return pixels[..., :2]
    raise DataError(f"{pages.path}: {found} channels, but this data has {channels}; set data.channels or remove it")
