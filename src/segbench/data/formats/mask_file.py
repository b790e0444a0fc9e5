"""A file as a mask: the numbers that it stores, never what they look like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.formats.reader import read_stored
from segbench.data.formats.stored import StoredImage
from segbench.errors import DataError


@dataclass(frozen=True)
class MaskFile:
    """A mask, upright.

    Attributes:
        path: The file.
        values: Labels (H,W), any type of whole numbers: grey as it is stored (0 stays 0 where TIFF calls it white), of
            a palette the index. Of RGB the colours, uint8 or uint16 (H,W,3).
        palette: Colour of each index (N,3); None where there is none.
        words: What the file is, for messages.
    """

    path: Path
    values: NDArray[np.integer[Any]]
    palette: NDArray[Any] | None
    words: str

    def labels(self, expected: str = "one class index a pixel") -> NDArray[np.integer[Any]]:
        """Return the label of each pixel (H,W).

        Args:
            expected: What should be there, for the message.

        Raises:
            DataError: If the file holds colours.
        """
        if self.values.ndim != 2:
            raise DataError(f"{self.path}: {self.words} mask; expected {expected} (grey or palette)")
        return self.values

    def colours(self) -> NDArray[np.integer[Any]]:
        """Return the colour of each pixel (H,W,3).

        Raises:
            DataError: If the file holds none.
        """
        if self.values.ndim == 3:
            return self.values
        if self.palette is None or int(self.values.max()) >= len(self.palette):
            raise DataError(f"{self.path}: {self.words} mask; expected a colour for each class (RGB or palette)")
        return np.asarray(self.palette[self.values])


def read_mask_file(path: Path) -> MaskFile:
    """Read a mask.

    The EXIF orientation is applied, as to an image. Opacity of a palette's colours is of no meaning here.

    Raises:
        DataError: One line: unreadable, damaged, several images, lossy, partly transparent, CMYK, or no whole numbers.
    """
    stored = read_stored(path)
    if stored.lossy:
        raise DataError(f"{path}: lossy mask (its compression changes labels); save masks as PNG")
    if stored.kind == "CMYK":
        raise DataError(f"{path}: CMYK mask; expected one class index a pixel (grey or palette)")
    if stored.kind != "palette" and stored.see_through is not None and stored.see_through.any():
        raise DataError(f"{path}: transparent mask; save one class index a pixel, without transparency")
    values = _whole(stored)
    if stored.greyless and (values == values[..., :1]).all():
        values = values[..., :1]
    values = stored.upright(values)
    return MaskFile(path, values[..., 0] if values.shape[2] == 1 else values, stored.palette, stored.describe())


def _whole(stored: StoredImage) -> NDArray[np.integer[Any]]:
    """Return the samples as whole numbers, of their own type where it is one."""
    samples = stored.samples
    if samples.dtype.kind != "f":
        return samples
    if not (np.isfinite(samples) & (samples == np.round(samples)) & (abs(samples) < 2**53)).all():
        raise DataError(f"{stored.path}: labels that are no whole numbers (resampled with interpolation?)")
    return samples.astype(np.int64)
