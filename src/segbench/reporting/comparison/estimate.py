"""A figure over the seeds of one configuration: mean, standard deviation, number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A figure over the seeds of one configuration.

    Attributes:
        mean: Mean of the n values; NaN when n is 0.
        spread: Sample standard deviation (divided by n - 1); None when n is below 2.
        n: Number of runs that have a value.
    """

    mean: float
    spread: float | None
    n: int


def estimate(values: Sequence[float | None]) -> Estimate:
    """Return mean and sample standard deviation of the finite values."""
    finite = np.array([value for value in values if value is not None and np.isfinite(value)], dtype=np.float64)
    if not finite.size:
        return Estimate(float("nan"), None, 0)
    return Estimate(float(finite.mean()), float(finite.std(ddof=1)) if finite.size > 1 else None, int(finite.size))
