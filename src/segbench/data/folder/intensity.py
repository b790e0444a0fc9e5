"""The options by which the intensities of one's own images are scaled."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.data.intensity import Intensity, check_percentiles
from segbench.errors import ConfigError


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
