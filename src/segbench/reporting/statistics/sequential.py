"""Looking at an experiment several times, as planned: the error rate of each look, so that all together err in 5 %.

A group-sequential plan. Early looks are stricter: at n of N seeds a difference must exceed c (n/N)^(Delta - 1/2)
standard errors (S. K. Wang and A. A. Tsiatis, Biometrics 43 (1987) 193-199; Delta = 1/2 is Pocock's, 0 O'Brien and
Fleming's). c is found by the recursion of P. Armitage, C. K. McPherson and B. C. Rowe (J. R. Stat. Soc. A 132 (1969)
235-244) for normal differences whose looks share nothing but the seeds; as they share the images too, a plan errs less.
Each look takes the tail of that bound as the level of its own test, with its own degrees of freedom.

Delta = 0.35 was chosen with looks at 3, 5 and 10 seeds, 7 rows and one 0.03 above equal others: 30 % fewer runs than 10
seeds throughout, and as many rows ruled out. Figures on other designs: ``docs/statistics.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from segbench.reporting.statistics.families import LEVEL
from segbench.scores.arithmetic import Floats

_DELTA = 0.35
_POINTS = 401


def rates(looks: Sequence[int]) -> tuple[float, ...]:
    """Return the error rate of each look.

    Args:
        looks: Number of seeds at each, ascending.
    """
    seeds = np.array(looks, dtype=float)
    shape = (seeds / seeds[-1]) ** (_DELTA - 0.5)
    # Between a single look and a share of the error rate for each.
    low, high = ndtri(1 - LEVEL / 2) / shape.max(), ndtri(1 - LEVEL / 2 / len(seeds)) / shape.min()
    found = low
    if len(seeds) > 1:
        found = brentq(lambda bound: crossing(seeds, bound * shape) - LEVEL, low, high, xtol=1e-5)
    return tuple((2 * ndtr(-found * shape)).tolist())


def crossing(seeds: Floats, bounds: Floats) -> float:
    """Return the probability that a mean of normal draws around 0 leaves its bounds at any look.

    Args:
        seeds: How many draws there are at each look, float64 (L,), ascending.
        bounds: In standard errors of the mean, float64 (L,), above 0.
    """
    points, inside, before = np.zeros(1), np.ones(1), 0.0
    for count, bound in zip(seeds, bounds, strict=True):
        # Of the sum, which adds up.
        sums = np.linspace(-1, 1, _POINTS) * bound * np.sqrt(count)
        weights = np.full(_POINTS, sums[1] - sums[0])
        weights[[0, -1]] /= 2
        spread = np.sqrt(count - before)
        density = np.exp(-(((sums[:, None] - points) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
        points, inside, before = sums, weights * (density @ inside), count
    return 1 - float(inside.sum())
