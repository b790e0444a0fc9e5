"""The smallest difference that a design finds: so many seeds, so many groups, and what varies between them."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.special import ndtr

from segbench.reporting.statistics.intervals import Errors
from segbench.reporting.statistics.variance_components import Components
from segbench.scores.arithmetic import Floats

POWER = 0.8
_NODES = (100, 40, 12)


def detectable(
    variances: Components, seeds: int, groups: int, level: float = 0.05, power: float = POWER, overlap: float = 0.0
) -> float:
    """Return the smallest true difference whose interval leaves out 0 with the given probability.

    Seeds and groups vary normally; the squared standard errors of the interval are independent multiples of chi². The
    power is the mean over a grid of their quantiles, so nothing is drawn at random.

    Args:
        variances: Of the difference between two configurations, of the same seed on the same group.
        seeds: Number of seeds, shared by both.
        groups: Number of groups of images.
        level: Error rate of the test.
        power: Probability of finding the difference, in (level, 1).
        overlap: As for :func:`segbench.reporting.statistics.intervals.standard_errors`, where the groups are folds.

    Returns:
        The difference in units of the score; NaN for fewer than 2 seeds or groups, which tell nothing apart.
    """
    if min(seeds, groups) < 2:
        return float("nan")
    rest = variances.rest / (seeds * groups)
    by_seed = variances.seed / seeds + rest
    by_group = (variances.image + variances.rest / seeds) * (1 / groups + overlap)
    freedoms = (seeds - 1, groups - 1, (seeds - 1) * (groups - 1))
    grid = np.meshgrid(*(_quantiles(freedom, nodes) for freedom, nodes in zip(freedoms, _NODES, strict=True)))
    errors = Errors(by_seed * grid[0], by_group * grid[1], rest * grid[2], freedoms[:2])
    widths = errors.half_width(level)
    spread = np.sqrt(by_seed + by_group - rest)
    if spread == 0:
        return 0.0
    low, high = 0.0, float(widths.max() + 10 * spread)
    for _ in range(50):
        middle = (low + high) / 2
        found = (ndtr((middle - widths) / spread) + ndtr((-middle - widths) / spread)).mean()
        low, high = (low, middle) if found >= power else (middle, high)
    return high


def _quantiles(freedom: int, count: int) -> Floats:
    """Return the middle of each of so many equal parts of chi²[f] / f."""
    return stats.chi2.ppf((np.arange(count) + 0.5) / count, freedom) / freedom
