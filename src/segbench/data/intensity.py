"""Scaling of intensities in arbitrary units, by percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError, DataError

# Percentiles of intensities that become 0 and the largest value.
MICROSCOPE, VOLUME = (1.0, 99.8), (1.0, 99.0)
_FULL = 65535.0


def check_percentiles(percentiles: Sequence[float]) -> tuple[float, float]:
    """Return the option ``data.percentiles`` as two numbers.

    Raises:
        ConfigError: If they are not two ascending numbers from 0 to 100.
    """
    if len(percentiles) != 2 or not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise ConfigError(f"data.percentiles={list(percentiles)}: must be two ascending numbers from 0 to 100")
    return float(percentiles[0]), float(percentiles[1])


def scale_by_percentiles(values: NDArray[Any], percentiles: tuple[float, float], path: Path) -> NDArray[np.float32]:
    """Return intensities scaled so that two of their percentiles become 0 and 1; values outside are clipped.

    Args:
        values: Intensities of any shape, finite.
        percentiles: The percentiles that become 0 and 1, in percent.
        path: The file, for the message.

    Returns:
        float32 of the same shape.

    Raises:
        DataError: If the two percentiles are equal, so there is no range to scale.
    """
    low, high = np.percentile(values, percentiles)
    if not high > low:
        raise DataError(f"{path}: constant intensity (percentiles {percentiles} are both {low:g})")
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


@dataclass(frozen=True)
class Intensity:
    """From the numbers of a file to those that are stored.

    Attributes:
        kind: ``stored`` (8 bits, as they are), ``range`` or ``percentiles`` (of each file).
        low: Value, or percentile, that becomes 0.
        high: Value, or percentile, that becomes the largest value.
    """

    kind: Literal["stored", "range", "percentiles"] = "stored"
    low: float = 0.0
    high: float = 255.0

    @property
    def scale(self) -> float:
        """Largest stored value."""
        return 255.0 if self.kind == "stored" else _FULL

    @property
    def percentiles(self) -> tuple[float, float]:
        """The percentiles; of a volume, which has no range of its own, the usual ones."""
        return (self.low, self.high) if self.kind == "percentiles" else VOLUME

    def apply(self, pixels: NDArray[Any], path: Path) -> NDArray[Any]:
        """Return the images of a file as they are stored, uint8 or uint16 (Z,H,W,C).

        Colours and grey are scaled together; other channels each on their own.

        Raises:
            DataError: If a file is of constant intensity.
        """
        if self.kind == "stored":
            return pixels
        scaled: NDArray[Any]
        if self.kind == "range":
            scaled = np.clip((pixels.astype(np.float64) - self.low) / (self.high - self.low), 0, 1)
        elif pixels.shape[-1] in (1, 3):
            scaled = scale_by_percentiles(pixels, self.percentiles, path)
        else:
            each = [scale_by_percentiles(part, self.percentiles, path) for part in np.moveaxis(pixels, -1, 0)]
            scaled = np.stack(each, axis=-1)
        return np.round(scaled * _FULL).astype(np.uint16)

    def describe(self) -> str:
        """Return how intensities are scaled, for a message."""
        unit = " %" if self.kind == "percentiles" else ""
        return "8 bits" if self.kind == "stored" else f"{self.kind} {self.low:g} to {self.high:g}{unit}"
