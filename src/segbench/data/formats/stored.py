"""The content of an image file as stored, before it is interpreted as an image or as a mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segbench.errors import DataError

# Limits on one image, checked against its header before anything is decoded.
MAX_PIXELS = 100_000_000
MAX_BYTES = 8 * MAX_PIXELS

Kind = Literal["grey", "palette", "RGB", "CMYK", "channels"]


@dataclass(frozen=True)
class StoredImage:
    """The stored samples of a file with one image.

    Attributes:
        path: The file.
        kind: What a pixel's samples are; for a palette image, the index of a colour; ``channels`` for any others.
        samples: (H,W,S) in the file's own order of rows and columns; S is 1 (grey, palette), 3 (RGB), 4 (CMYK) or more.
        bits: Bits per sample in the file, 1 to 64.
        orientation: EXIF orientation, 1 to 8: how rows and columns are to be turned for viewing.
        palette: Colour of every index, uint8 or uint16 (N,3); None for other kinds.
        see_through: Which pixels are not fully opaque, bool (H,W); None if the file has no transparency.
        inverted: Whether 0 is white (WhiteIsZero in TIFF).
        lossy: Whether the compression changes samples.
        greyless: Whether the format cannot store grey except as three equal samples.
    """

    path: Path
    kind: Kind
    samples: NDArray[Any]
    bits: int
    orientation: int = 1
    palette: NDArray[Any] | None = None
    see_through: NDArray[np.bool_] | None = None
    inverted: bool = False
    lossy: bool = False
    greyless: bool = False

    def describe(self) -> str:
        """Return a short description: ``RGB``, ``16-bit RGB``, ``8-bit grey``, ``32-bit float grey``."""
        number = {"f": " float", "i": " signed"}.get(self.samples.dtype.kind, "")
        # 8 bits are the default for colours.
        plain = self.kind == "palette" or (self.kind != "grey" and self.bits == 8 and not number)
        kind = f"{self.samples.shape[2]}-channel" if self.kind == "channels" else self.kind
        return kind if plain else f"{self.bits}-bit{number} {kind}"

    def upright(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array (H,W,...) in the file's order of rows and columns, turned for viewing."""
        return np.ascontiguousarray(turned(array, self.orientation))


def turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return an array (H,W,...) turned by an EXIF orientation (CIPA DC-008, tag 0x0112)."""
    if orientation >= 5:
        # The first stored row is the first column seen.
        array = array.swapaxes(0, 1)
    rows_reversed = orientation in (3, 4, 7, 8)
    columns_reversed = orientation in (2, 3, 6, 7)
    return array[:: -1 if rows_reversed else 1, :: -1 if columns_reversed else 1]


def check_pixels(path: Path, width: int, height: int) -> None:
    """Check the size in an image's header.

    Raises:
        DataError: If it is 0 or more than :data:`MAX_PIXELS`.
    """
    if width < 1 or height < 1:
        raise DataError(f"{path}: damaged (an image of {width}x{height} pixels)")
    if width * height > MAX_PIXELS:
        raise DataError(f"{path}: {width}x{height} pixels; at most {MAX_PIXELS:,} are read")
