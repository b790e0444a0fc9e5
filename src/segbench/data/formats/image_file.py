"""Reads a file as an image: its colours as they are meant to be viewed, at full precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segbench.data.formats.reader import read_stored
from segbench.data.formats.stored import Kind, StoredImage
from segbench.errors import DataError


@dataclass(frozen=True)
class ImageFile:
    """An image, oriented for viewing.

    Attributes:
        pixels: (H,W,1) grey, (H,W,3) RGB or, from :func:`as_image` only, (H,W,C) with any channels; in the file's
            number type: signed, unsigned or float.
        white: The value of white; None for float and signed numbers, which have no fixed white.
        bits: Bits per sample in the file.
        kind: What the file stores; ``pixels`` are RGB for a palette and for CMYK.
        orientation: The EXIF orientation that was applied, 1 to 8.
        description: A short description for messages: ``16-bit RGB``.
    """

    pixels: NDArray[Any]
    white: int | None
    bits: int
    kind: Kind
    orientation: int
    description: str


def read_image_file(path: Path) -> ImageFile:
    """Read an image.

    The EXIF orientation is applied. Grey of 1, 2 or 4 bits is scaled to 8 bits, so that white is 255. WhiteIsZero is
    inverted, so that larger is brighter. Full opacity is dropped. Gamma, colour profiles and resolution are ignored.

    Raises:
        DataError: If :func:`segbench.data.formats.reader.read_stored` rejects it, or it has transparent pixels, values
            that are not finite, or colours that are not read.
    """
    return as_image(read_stored(path))


def as_image(stored: StoredImage) -> ImageFile:
    """Return the content of a file as an image.

    Raises:
        DataError: If it has transparent pixels, values that are not finite, or colours that are not read.
    """
    path = stored.path
    if stored.see_through is not None and (count := int(stored.see_through.sum())):
        raise DataError(f"{path}: {count} transparent pixels, whose colour is undefined; save it without transparency")
    pixels, white = _colours(stored)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise DataError(f"{path}: {int((~np.isfinite(pixels)).sum())} values are not finite (NaN or infinity)")
    return ImageFile(stored.upright(pixels), white, stored.bits, stored.kind, stored.orientation, stored.describe())


def _colours(stored: StoredImage) -> tuple[NDArray[Any], int | None]:
    """Return a file's colours (H,W,C) and the value of white."""
    samples = stored.samples
    if stored.palette is not None:
        largest = int(samples.max())
        if largest >= len(stored.palette):
            raise DataError(f"{stored.path}: damaged (index {largest} into a palette of {len(stored.palette)})")
        return stored.palette[samples[..., 0]], int(np.iinfo(stored.palette.dtype).max)
    if stored.kind == "CMYK":
        if samples.dtype != np.uint8:
            raise DataError(f"{stored.path}: {stored.describe()} is not read; convert it to RGB")
        return np.asarray(Image.fromarray(samples, "CMYK").convert("RGB")), 255
    if samples.dtype.kind != "u":
        if stored.inverted:
            raise DataError(f"{stored.path}: {stored.describe()} with WhiteIsZero is ambiguous; save it as BlackIsZero")
        return samples, None
    white = 2**stored.bits - 1
    if stored.inverted:
        samples = samples.dtype.type(white) - samples
    if stored.bits < 8 and 255 % white == 0:
        return samples * np.uint8(255 // white), 255
    return samples, white
