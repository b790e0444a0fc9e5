"""What an image file stores, before anyone says whether that is an image or a mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segbench.errors import DataError

# Of one image; a file that claims more is refused before any of it is decoded.
MAX_PIXELS = 100_000_000
MAX_BYTES = 8 * MAX_PIXELS

Kind = Literal["grey", "palette", "RGB", "CMYK"]


@dataclass(frozen=True)
class StoredImage:
    """The samples of a file that holds one image, untouched.

    Attributes:
        path: The file.
        kind: What a pixel's samples are; of a palette the index.
        samples: (H,W,S) with S = 1 for grey and palette, 3 for RGB, 4 for CMYK; rows and columns as they are stored.
        bits: Bits of a sample that the file uses: 1 to 64.
        orientation: EXIF orientation, 1 to 8: how rows and columns have to be turned to be seen upright.
        palette: Colour of each index, uint8 or uint16 (N,3); only of a palette.
        see_through: Where a pixel is not fully opaque, bool (H,W); None where the file has no transparency.
        inverted: Whether 0 is white (TIFF's WhiteIsZero).
        lossy: Whether it was compressed so that values change.
        greyless: Whether the format has colours only, so that grey is stored as three equal samples.
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
        """Return what it is in a few words: ``RGB``, ``16-bit RGB``, ``8-bit grey``, ``32-bit float grey``."""
        number = {"f": " float", "i": " signed"}.get(self.samples.dtype.kind, "")
        # Colours have 8 bits unless it is said.
        plain = self.kind == "palette" or (self.kind != "grey" and self.bits == 8 and not number)
        return self.kind if plain else f"{self.bits}-bit{number} {self.kind}"

    def upright(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array (H,W,...) of the file's rows and columns turned as it is meant to be seen."""
        return np.ascontiguousarray(turned(array, self.orientation))


def turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return an array (H,W,...) turned as an EXIF orientation says (CIPA DC-008, tag 0x0112)."""
    if orientation >= 5:
        # The first row stored is the first column seen.
        array = array.swapaxes(0, 1)
    # Whether rows, and columns, then run the other way.
    rows = orientation in (3, 4, 7, 8)
    columns = orientation in (2, 3, 6, 7)
    return array[:: -1 if rows else 1, :: -1 if columns else 1]


def check_pixels(path: Path, width: int, height: int) -> None:
    """Refuse an image too large to be decoded, by the size that its file claims.

    Raises:
        DataError: If it has no pixels, or more than :data:`MAX_PIXELS`.
    """
    if width < 1 or height < 1:
        raise DataError(f"{path}: {width}x{height} pixels; the file is damaged")
    if width * height > MAX_PIXELS:
        raise DataError(f"{path}: {width}x{height} pixels; at most {MAX_PIXELS:,} are read")
