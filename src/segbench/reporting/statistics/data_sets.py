"""Whether one configuration is better than another over data sets: the mean gain, with its interval.

**The model** is the hierarchical one of G. Corani, A. Benavoli, J. Demsar, F. Mangili and M. Zaffalon, Mach. Learn. 106
(2017) 1817-1837: a data set d has a true gain of its own, drawn around the mean gain with the variance tau² between
data sets; its runs show that gain with a standard error s[d] of its own, by seeds and groups of images. So y[d] is
normal around the mean gain with variance tau² + s[d]².

**The estimate** is the plain mean of the D gains, each data set counting the same, with Student's interval of D - 1
degrees of freedom: exact where the data sets have equal s[d], whatever they are, as their variance is in that of the
y[d]. What the variance of the y[d] has beyond the mean of the s[d]² estimates tau² (W. G. Cochran, Biometrics 10 (1954)
101-129; L. V. Hedges and I. Olkin, Statistical Methods for Meta-Analysis, 1985, ch. 9), at least 0.

**Why no weights.** An s[d] of two or three seeds is itself uncertain by half, and weights 1 / (tau² + s[d]²) follow the
data sets whose seeds happen to agree. In 288 simulated designs without a true gain (3 to 20 data sets, 2 to 5 seeds, 5
to 60 groups, tau of 0 to 0.03, equal and very unequal s[d]; 2,000 experiments each) this interval misses in 1.8 to
6.3 % instead of 5 %; with the weights of Paule and Mandel and the t quantile of Hartung and Knapp, modified (C. Röver
et al., BMC Med. Res. Methodol. 15 (2015) 99), in 0 to 13.7 %, and in a quarter of the designs in more than 6.5 %. The
weights find a gain of 0.03 in 79 % of all experiments, the plain mean in 77 %; up to 19 points more where s[d] are very
unequal.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan, sqrt

import numpy as np
from scipy import stats
from scipy.special import stdtr, stdtrit

from segbench.reporting.statistics.intervals import ROUNDING, SMALLEST_P, Errors
from segbench.scores.arithmetic import Floats

POWER = 0.8
# Up to so many data sets all patterns of signs are gone through: 2 ** 13 of them.
EXACT = 13


@dataclass(frozen=True)
class MeanGain:
    """The mean gain over data sets, in units of the score.

    Attributes:
        mean: Above 0: the first is better.
        low: Lower end of its interval; NaN where there is none (one data set, or all gains are equal).
        high: Its upper end.
        p: Two-sided p-value, uncorrected; NaN where there is no interval.
        deviation: Standard deviation of the gains over data sets; NaN for one.
        between: tau, the part of it that is of the data sets and not of seeds and images; NaN where it is not known.
        sets: Number of data sets.
    """

    mean: float
    low: float
    high: float
    p: float
    deviation: float
    between: float
    sets: int


def mean_gain(gains: Floats, squares: Floats, level: float = 0.05) -> MeanGain:
    """Return the mean gain over D data sets.

    Args:
        gains: float64 (D,), D at least 1.
        squares: s[d]², float64 (D,); NaN for a data set that does not show it.
        level: Two-sided error rate of the interval; 0.05 / m where m intervals shall hold together (Bonferroni).
    """
    count, mean = len(gains), float(gains.mean())
    if count < 2:
        return MeanGain(mean, nan, nan, nan, nan, nan, count)
    deviation = float(gains.std(ddof=1))
    between = sqrt(max(deviation**2 - float(squares.mean()), 0)) if np.isfinite(squares).all() else nan
    if deviation <= ROUNDING:
        # An interval without width would claim to know all other data sets.
        return MeanGain(mean, nan, nan, nan, 0.0, between, count)
    error = deviation / sqrt(count)
    half = -float(stdtrit(count - 1, level / 2)) * error
    p = max(2 * float(stdtr(count - 1, -abs(mean) / error)), SMALLEST_P)
    return MeanGain(mean, mean - half, mean + half, p, deviation, between, count)


def squared_error(errors: Errors) -> float:
    """Return s², the squared standard error of one data set's gain, from those by seed and by group."""
    return float(errors.seeds + np.maximum(errors.groups - errors.rest, 0))


def detectable_gain(deviation: float, sets: int, level: float = 0.05, power: float = POWER) -> float:
    """Return the smallest true mean gain that so many data sets find, in units of the score.

    Args:
        deviation: Standard deviation of the gains over data sets.
        sets: Number of data sets; NaN comes of fewer than 2.
        level: Two-sided error rate of the test.
        power: Probability of finding it, in (level, 1): that of the non-central t distribution.
    """
    if sets < 2 or not isfinite(deviation):
        return nan
    limit = float(stats.t.isf(level / 2, sets - 1))
    low, high = 0.0, 4 * limit
    for _ in range(50):
        middle = (low + high) / 2
        found = float(stats.nct.sf(limit, sets - 1, middle))
        low, high = (low, middle) if found >= power else (middle, high)
    return high * deviation / sqrt(sets)


def signed_rank(gains: Floats) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test over data sets (Biometrics Bull. 1 (1945) 80).

    Exact, also with ties, up to :data:`EXACT` data sets; gains of 0 are left out, as in his paper.

    Args:
        gains: float64 (D,).

    Returns:
        In (0, 1]; 1 where fewer than two gains differ from 0.
    """
    # What differs by the rounding of sums has equal ranks.
    values = np.round(gains, 12)
    values = values[values != 0]
    if len(values) < 2:
        return 1.0
    if len(values) > EXACT:
        return float(stats.wilcoxon(values).pvalue)
    ranks = stats.rankdata(np.abs(values))
    # One row of signs for each of the patterns; scipy does the same with a permutation at a time.
    signs = 1 - 2 * (np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1)
    return float((np.abs(signs @ ranks) >= abs(np.sign(values) @ ranks) - ROUNDING).mean())


def smallest_signed_rank(sets: int) -> float:
    """Return the smallest p-value that the signed-rank test of so many data sets can give: all gains of one sign."""
    return float(min(1.0, 2.0 ** (1 - sets)))
