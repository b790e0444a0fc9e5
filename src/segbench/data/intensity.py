"""Scaling of intensities in arbitrary units, by percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError, DataError


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
