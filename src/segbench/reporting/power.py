"""The smallest difference that a design finds: so many seeds, so many groups, and what varies between them."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.special import ndtr

from segbench.reporting.variance import Components

POWER = 0.8
_NODES = (200, 60)


def detectable(variances: Components, seeds: int, groups: int, level: float = 0.05, power: float = POWER) -> float:
    """Return the smallest true difference whose interval leaves out 0 with the given probability.

    Seeds and groups vary normally; their two squared standard errors are independent multiples of chi² (each holds the
    rest, as in the interval). The power is the mean over a grid of their quantiles, so nothing is drawn at random.

    Args:
        variances: Of the difference between two configurations, of the same seed on the same group.
        seeds: Number of seeds, shared by both.
        groups: Number of groups of images.
        level: Error rate of the test.
        power: Probability of finding the difference, in (level, 1).

    Returns:
        The difference in units of the score; NaN for fewer than 2 seeds or groups, which tell nothing apart.
    """
    if min(seeds, groups) < 2:
        return float("nan")
    both = variances.rest / (seeds * groups)
    errors = (variances.seed / seeds + both, variances.image / groups + both)
    squares = []
    for error, count, nodes in zip(errors, (seeds, groups), _NODES, strict=True):
        quantiles = stats.chi2.ppf((np.arange(nodes) + 0.5) / nodes, count - 1)
        squares.append(stats.t.ppf(1 - level / 2, count - 1) ** 2 * error * quantiles / (count - 1))
    widths = np.sqrt(np.add.outer(*squares))
    spread = np.sqrt(sum(errors) - both)
    if spread == 0:
        return 0.0
    low, high = 0.0, float(widths.max() + 10 * spread)
    for _ in range(50):
        middle = (low + high) / 2
        found = (ndtr((middle - widths) / spread) + ndtr((-middle - widths) / spread)).mean()
        low, high = (low, middle) if found >= power else (middle, high)
    return high
