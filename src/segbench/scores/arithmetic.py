"""Quotients and means that leave out what is not there instead of warning of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Of each pixel: the number of its object.
Labels = NDArray[np.integer[Any]]


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """Return numerator / denominator, float64 (...); NaN, without a warning, where the denominator is not positive."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def mean_present(values: Floats, axis: int) -> Any:
    """Return the mean along an axis over the values that are not NaN; NaN, without a warning, if none is."""
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0.0).sum(axis=axis), present.sum(axis=axis))
