"""Reads a file as a mask: the numbers that it stores, whatever colours they are displayed in."""

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
    """A mask, oriented for viewing.

    Attributes:
        path: The file.
        values: Integers (H,W): grey as stored (WhiteIsZero is not inverted), or the indices of a palette image. For an
            RGB image its colours, uint8 or uint16 (H,W,3).
        palette: Colour of every index (N,3); None if there is no palette.
        description: A short description for messages: ``8-bit grey``.
    """

    path: Path
    values: NDArray[np.integer[Any]]
    palette: NDArray[Any] | None
    description: str

    def labels(self, expected: str = "one class index per pixel") -> NDArray[np.integer[Any]]:
        """Return the label of every pixel, (H,W).

        Args:
            expected: What the file should contain, for the error message.

        Raises:
            DataError: If the mask stores colours.
        """
        if self.values.ndim != 2:
            raise DataError(f"{self.path}: {self.description} mask; expected {expected} (grey or palette)")
        return self.values

    def colours(self) -> NDArray[np.integer[Any]]:
        """Return the colour of every pixel, (H,W,3).

        Raises:
            DataError: If the file has no colours.
        """
        if self.values.ndim == 3:
            return self.values
        if self.palette is None or int(self.values.max()) >= len(self.palette):
            raise DataError(f"{self.path}: {self.description} mask; expected one colour per class (RGB or palette)")
        return np.asarray(self.palette[self.values])


def read_mask_file(path: Path) -> MaskFile:
    """Read a mask.

    The EXIF orientation is applied, as for images. The opacity of palette colours is ignored.

    Raises:
        DataError: If :func:`segbench.data.formats.reader.read_stored` rejects it, or it is lossy, CMYK or partly
            transparent, or has values that are not integers.
    """
    return as_mask(read_stored(path))


def as_mask(stored: StoredImage) -> MaskFile:
    """Return the content of a file as a mask.

    Raises:
        DataError: If it is lossy, CMYK or partly transparent, or has values that are not integers.
    """
    path = stored.path
    if stored.lossy:
        raise DataError(f"{path}: lossy mask (compression changes labels); save masks as PNG")
    if stored.kind in ("CMYK", "channels"):
        raise DataError(f"{path}: {stored.describe()} mask; expected one class index per pixel (grey or palette)")
    if stored.kind != "palette" and stored.see_through is not None and stored.see_through.any():
        raise DataError(f"{path}: transparent mask; save it without transparency, with one class index per pixel")
    values = _integers(stored)
    if stored.greyless and (values == values[..., :1]).all():
        values = values[..., :1]
    values = stored.upright(values)
    return MaskFile(path, values[..., 0] if values.shape[2] == 1 else values, stored.palette, stored.describe())


def _integers(stored: StoredImage) -> NDArray[np.integer[Any]]:
    """Return the samples as integers, in their own type if it is one."""
    if stored.samples.dtype.kind != "f":
        return stored.samples
    samples = stored.samples.astype(np.float64)
    if not (np.isfinite(samples) & (samples == np.round(samples)) & (abs(samples) < 2**53)).all():
        raise DataError(f"{stored.path}: labels are not integers (resampled with interpolation?)")
    return samples.astype(np.int64)
