"""Several comparisons that shall hold together: p-values corrected for the family that the question asks for.

Comparisons that share a row are correlated, so that fewer false alarms come of them than Bonferroni's bound allows for.
How much fewer is worked out for normal differences, as C. W. Dunnett did for comparisons with one row (J. Am. Stat.
Assoc. 50 (1955) 1096-1121) and J. W. Tukey for all pairs (the studentised range); the p-values that enter are those of
Student's distribution, each with its own degrees of freedom. A variance that all comparisons share would allow a little
more; here each has its own part, so it is not counted on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from segbench.configuration.schema import Family
from segbench.scores.arithmetic import Floats

LEVEL = 0.05
# How many times two rows' own squared error counts beside the one that rows share, as SINGLE of the intervals: more
# with a baseline, as all comparisons err together where that varies more and is not noticed.
GUARD: dict[Family, float] = {"best": 1.5, "baseline": 2.2, "pairs": 1.4}
# Of the normal variable that the comparisons share; enough for five digits of any p-value that matters.
_SHARED = np.linspace(-8, 8, 161)
_WEIGHTS = np.exp(-(_SHARED**2) / 2) / np.exp(-(_SHARED**2) / 2).sum()

Adjust = Callable[[Floats], Floats]


def dunnett(p: Floats, count: int, correlation: float) -> Floats:
    """Return two-sided p-values of comparisons with one row, corrected for their number.

    Args:
        p: Of each alone, two-sided, float64 (...).
        count: How many comparisons there are.
        correlation: Between two of them, in [0, 1).

    Returns:
        float64 (...): the probability that any of so many is as small by chance.
    """
    shift, scale = np.sqrt(correlation) * _SHARED, np.sqrt(1 - correlation)
    far = -ndtri(p / 2)[..., None]
    beyond = ndtr((-far + shift) / scale) + ndtr((-far - shift) / scale)
    return _capped(p, count, -np.expm1(count * np.log1p(-np.minimum(beyond, 1 - 1e-16))))


def one_sided_dunnett(p: Floats, count: int, correlation: float) -> Floats:
    """Return one-sided p-values of comparisons with one row, corrected for their number; as :func:`dunnett`."""
    far = -ndtri(p)[..., None]
    within = log_ndtr((far + np.sqrt(correlation) * _SHARED) / np.sqrt(1 - correlation))
    return _capped(p, count, -np.expm1(count * within))


def tukey(p: Floats, rows: int) -> Floats:
    """Return two-sided p-values of all pairs of so many rows, corrected for their number.

    Args:
        p: Of each alone, float64 (...).
        rows: How many rows there are, at least 2.
    """
    width = -np.sqrt(2) * ndtri(p / 2)[..., None]
    inside = (ndtr(_SHARED + width) - ndtr(_SHARED)) ** (rows - 1) @ _WEIGHTS
    count = rows * (rows - 1) // 2
    # Far out the probability is lost in the rounding of 1; Bonferroni's bound is as good there.
    return np.where(p < 1e-9, np.minimum(count * p, 1), np.clip(1 - rows * inside, p, np.minimum(count * p, 1)))


def holm(p: Floats) -> Floats:
    """Return p-values corrected for their number, so that 5 % of families have any false alarm at 0.05.

    The smallest of m is multiplied by m, the next by m - 1 and so on, and none falls below the one before (S. Holm,
    Scand. J. Stat. 6 (1979) 65-70).

    Args:
        p: float64 (M,); NaN is no member of the family and stays.

    Returns:
        float64 (M,), at most 1.
    """
    result = p.copy()
    order = np.argsort(p)[: np.isfinite(p).sum()]
    factors = len(order) - np.arange(len(order))
    result[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return result


def level(adjust: Adjust, rate: float = LEVEL) -> float:
    """Return the p-value that becomes ``rate`` when corrected: the error rate of each comparison alone."""
    low, high = np.log(rate * 1e-6), np.log(rate)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if adjust(np.array(np.exp(middle))) < rate else (low, middle)
    return float(np.exp(high))


def planned(family: Family, rows: int) -> float:
    """Return the two-sided error rate of each comparison alone, among so many rows that vary alike."""
    if rows < 3:
        return LEVEL
    if family == "best":
        return min(2 * level(lambda p: one_sided_dunnett(p, rows - 1, 0.5)), LEVEL)
    return level((lambda p: dunnett(p, rows - 1, 0.5)) if family == "baseline" else (lambda p: tukey(p, rows)))


def _capped(p: Floats, count: int, by_node: Floats) -> Floats:
    """Return the mean over the shared variable, at least p and at most Bonferroni's bound."""
    return np.clip(by_node @ _WEIGHTS, p, np.minimum(count * p, 1))
