"""Ranks over data sets: average ranks and Friedman's test (J. Demsar, J. Mach. Learn. Res. 7 (2006) 1-30).

The usual chi² is for many data sets. So up to :data:`MOST_STATES` the distribution is counted out (each data set ranks
the K configurations in any of K! orders with equal probability, M. Friedman, J. Am. Stat. Assoc. 32 (1937) 675);
beyond, it is the F distribution of R. L. Iman and J. M. Davenport, Commun. Stat. A 9 (1980) 571, which Demsar advises.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np
from scipy import stats

from segbench.scores.arithmetic import Floats

MOST_STATES = 1_000_000
# Decimals beyond which a score is rounding, and sums of ranks are equal.
_DECIMALS = 10


@dataclass(frozen=True)
class Friedman:
    """Friedman's statistic, the p-value, and whether that is exact or Iman and Davenport's."""

    statistic: float
    p: float
    exact: bool


def ranks(scores: Floats, direction: int = 1) -> Floats:
    """Return the ranks of K configurations in each of D data sets, 1 the best; ties share the mean of their ranks.

    Args:
        scores: float64 (D,K), finite.
        direction: 1 where the highest is the best, -1 where the lowest is.
    """
    return np.asarray(stats.rankdata(-direction * np.round(scores, _DECIMALS), axis=1), dtype=np.float64)


def friedman(found: Floats) -> Friedman:
    """Test whether K configurations differ over D data sets.

    Args:
        found: Their ranks, float64 (D,K), D and K at least 2.
    """
    sets, count = found.shape
    middle = (count + 1) / 2
    # Sum of squares of the ranks: K (K² - 1) / 12 for each data set without ties, less with them.
    spread = float(((found - middle) ** 2).sum()) / (count - 1)
    if spread == 0:
        return Friedman(0.0, 1.0, exact=True)
    squares = float(((found.sum(axis=0) - sets * middle) ** 2).sum())
    statistic = squares / spread
    exact = _tail(found, squares)
    if exact is not None:
        return Friedman(statistic, exact, exact=True)
    most = sets * (count - 1)
    if statistic >= most * (1 - 1e-9):
        return Friedman(statistic, float(factorial(count)) ** (1 - sets), exact=False)
    ratio = (sets - 1) * statistic / (most - statistic)
    return Friedman(statistic, float(stats.f.sf(ratio, count - 1, (count - 1) * (sets - 1))), exact=False)


def _tail(found: Floats, squares: float) -> float | None:
    """Return the probability of sums of ranks at least so far apart; None where there are too many to count.

    What a data set's order adds depends on the sums so far but not on which configuration has which: sorted sums are
    enough. Each is one whole number, its digits the sums of doubled ranks, which are whole also with ties.
    """
    sets, count = found.shape
    digits = float(2 * sets * count + 1)
    if factorial(count) * count > MOST_STATES or digits**count > 2**62:
        return None
    places = int(digits) ** np.arange(count)
    lines = np.rint(2 * found).astype(np.int64)
    sums = np.sort(lines[:1], axis=1)
    weights: Floats = np.ones(1)
    for line in lines[1:]:
        orders = np.array(sorted(set(permutations(line.tolist()))))
        if len(sums) * len(orders) * count > MOST_STATES:
            return None
        added = np.sort((sums[:, None] + orders).reshape(-1, count), axis=1)
        _, first, where = np.unique(added @ places, return_index=True, return_inverse=True)
        sums, shares = added[first], np.repeat(weights / len(orders), len(orders))
        weights = np.bincount(where.ravel(), shares).astype(np.float64)
    far = ((sums / 2 - sets * (count + 1) / 2) ** 2).sum(axis=1) >= squares * (1 - 1e-9)
    return float(min(1.0, weights[far].sum()))
