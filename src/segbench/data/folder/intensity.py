"""How the intensities of one's own images are stored: as they are, or scaled by a range or by percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.intensity import check_percentiles, scale_by_percentiles
from segbench.errors import ConfigError

MICROSCOPE, VOLUME = (1.0, 99.8), (1.0, 99.0)
_FULL = 65535.0


@dataclass(frozen=True)
class Intensity:
    """From the numbers of a file to those that are stored.

    Attributes:
        kind: ``stored`` (8 bits, as they are), ``range`` or ``percentiles`` (of each file).
        low: Value, or percentile, that becomes 0.
        high: Value, or percentile, that becomes the largest value.
    """

    kind: str = "stored"
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


def chosen_intensity(intensity: Sequence[float] | None, percentiles: Sequence[float] | None) -> Intensity | None:
    """Return what ``data.intensity`` or ``data.percentiles`` asks for; None if neither does.

    Raises:
        ConfigError: If both do, or the numbers are not ascending.
    """
    if intensity is not None and percentiles is not None:
        raise ConfigError("data.intensity and data.percentiles: set one of them")
    if percentiles is not None:
        return Intensity("percentiles", *check_percentiles(percentiles))
    if intensity is None:
        return None
    if len(intensity) != 2 or not intensity[0] < intensity[1]:
        raise ConfigError(f"data.intensity={list(intensity)}: must be two ascending values, for example [0,4095]")
    return Intensity("range", float(intensity[0]), float(intensity[1]))
