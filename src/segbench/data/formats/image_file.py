"""A file as an image: colours as they are meant to be seen, with their true values."""

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
    """An image, upright.

    Attributes:
        pixels: (H,W,1) grey or (H,W,3) RGB, of the file's own type: uint8 to uint64, int8 to int64, float16 to float64.
        white: The value that is white; None for floats and signed numbers, which have no such value.
        bits: Bits of a sample as the file stores it.
        kind: What the file stores: a palette's colours are in ``pixels``, CMYK is RGB there.
        orientation: The EXIF orientation that was applied, 1 to 8.
        words: What the file is, for messages.
    """

    pixels: NDArray[Any]
    white: int | None
    bits: int
    kind: Kind
    orientation: int
    words: str


def read_image_file(path: Path) -> ImageFile:
    """Read an image.

    Grey of 1, 2 and 4 bits is widened to 8, white to 255; WhiteIsZero is turned round, so that larger is brighter; the
    EXIF orientation is applied; opacity is dropped where all is opaque. Gamma, colour profiles and resolution are not
    looked at.

    Raises:
        DataError: One line: unreadable, damaged, several images, transparent, not finite, or colours not read.
    """
    stored = read_stored(path)
    if stored.see_through is not None and (count := int(stored.see_through.sum())):
        raise DataError(f"{path}: {count} transparent pixels, whose colour nobody sees; save it without transparency")
    pixels, white = _colours(stored)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise DataError(f"{path}: {int((~np.isfinite(pixels)).sum())} values are not finite (NaN or infinity)")
    return ImageFile(stored.upright(pixels), white, stored.bits, stored.kind, stored.orientation, stored.describe())


def _colours(stored: StoredImage) -> tuple[NDArray[Any], int | None]:
    """Return the colours (H,W,C) of a file, and which value is white."""
    samples = stored.samples
    if stored.palette is not None:
        largest = int(samples.max())
        if largest >= len(stored.palette):
            raise DataError(f"{stored.path}: damaged (colour {largest} of a palette of {len(stored.palette)})")
        return stored.palette[samples[..., 0]], int(np.iinfo(stored.palette.dtype).max)
    if stored.kind == "CMYK":
        if samples.dtype != np.uint8:
            raise DataError(f"{stored.path}: {stored.describe()} is not read; convert it to RGB")
        return np.asarray(Image.fromarray(samples, "CMYK").convert("RGB")), 255
    if samples.dtype.kind != "u":
        if stored.inverted:
            raise DataError(f"{stored.path}: {stored.describe()} with 0 as white says not what is black")
        return samples, None
    white = 2**stored.bits - 1
    if stored.inverted:
        samples = samples.dtype.type(white) - samples
    if stored.bits < 8 and 255 % white == 0:
        return samples * np.uint8(255 // white), 255
    return samples, white
