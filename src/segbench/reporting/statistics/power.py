"""The smallest difference that a design finds: so many seeds, so many groups, and what varies between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.special import ndtr

from segbench.configuration.schema import Family
from segbench.reporting.statistics.families import GUARD, LEVEL
from segbench.reporting.statistics.intervals import SINGLE, Errors, Shared
from segbench.reporting.statistics.pooling import LEAST_ROWS, LEAST_SEEDS, outlying, together
from segbench.reporting.statistics.variance_components import Components
from segbench.scores.arithmetic import Floats

POWER = 0.8
_NODES = (100, 40, 12)
_DRAWS = 2000
# Beyond so many rows their number hardly matters.
_MOST_ROWS = 20


def detectable(
    variances: Components,
    seeds: int,
    groups: int,
    level: float = LEVEL,
    power: float = POWER,
    overlap: float = 0.0,
    rows: int = 2,
    family: Family | None = None,
) -> float:
    """Return the smallest true difference whose interval leaves out 0 with the given probability.

    Seeds and groups vary normally; the squared standard errors of the interval are independent multiples of chi². The
    power is the mean over a grid of their quantiles, or where rows share their variance over draws that are always the
    same ones.

    Args:
        variances: Of the difference between two configurations, of the same seed on the same group.
        seeds: Number of seeds, shared by both.
        groups: Number of groups of images.
        level: Two-sided error rate of the test; of one of several that of
            :func:`segbench.reporting.statistics.families.planned`.
        power: Probability of finding the difference, in (level, 1).
        overlap: As for :func:`segbench.reporting.statistics.intervals.standard_errors`, where the groups are folds.
        rows: How many rows there are, all taken to vary alike; of 3 or more the seeds' part is taken from all.
        family: What the test is corrected for; None for a single one.

    Returns:
        The difference in units of the score; NaN for fewer than 2 seeds or groups, which tell nothing apart.
    """
    if min(seeds, groups) < 2:
        return float("nan")
    design = _Design(variances, seeds, groups, overlap, rows, family)
    spread = design.spread
    if spread == 0:
        return 0.0
    widths = design.widths(level)
    low, high = 0.0, float(widths.max() + 10 * spread)
    for _ in range(50):
        middle = (low + high) / 2
        found = (ndtr((middle - widths) / spread) + ndtr((-middle - widths) / spread)).mean()
        low, high = (low, middle) if found >= power else (middle, high)
    return high


@dataclass(frozen=True)
class _Design:
    """What :func:`detectable` is told, and the squared standard errors to expect."""

    variances: Components
    seeds: int
    groups: int
    overlap: float
    rows: int
    family: Family | None

    @property
    def rest(self) -> float:
        return self.variances.rest / (self.seeds * self.groups)

    @property
    def by_seed(self) -> float:
        return self.variances.seed / self.seeds + self.rest

    @property
    def by_group(self) -> float:
        return (self.variances.image + self.variances.rest / self.seeds) * (1 / self.groups + self.overlap)

    @property
    def spread(self) -> float:
        """Standard deviation of the mean difference."""
        return float(np.sqrt(self.by_seed + self.by_group - self.rest))

    @property
    def freedoms(self) -> tuple[int, int, int]:
        """Degrees of freedom of the three."""
        return self.seeds - 1, self.groups - 1, (self.seeds - 1) * (self.groups - 1)

    def widths(self, level: float) -> Floats:
        """Return half widths of intervals as they come."""
        if self.rows >= LEAST_ROWS and self.seeds >= LEAST_SEEDS:
            return self._drawn(level)
        grid = np.meshgrid(*(_quantiles(freedom, nodes) for freedom, nodes in zip(self.freedoms, _NODES, strict=True)))
        errors = Errors(self.by_seed * grid[0], self.by_group * grid[1], self.rest * grid[2], self.freedoms[:2])
        return errors.half_width(level)

    def _drawn(self, level: float) -> Floats:
        """Return half widths of intervals of one pair of rows that may share its variance with the others.

        Drawn are as many rows as there are, each of half the difference's variance.
        """
        rng, rows = np.random.default_rng(0), min(self.rows, _MOST_ROWS)
        scores = np.sqrt(self.by_seed * self.seeds / 2) * rng.normal(size=(_DRAWS, rows, self.seeds))
        inside = ~outlying(scores)
        shares = inside[:, 0] & inside[:, 1] & (inside.sum(axis=-1) >= LEAST_ROWS)
        square, own, freedom = together(scores, inside | ~shares[:, None])
        alone = (scores[:, 0] - scores[:, 1]).var(axis=-1, ddof=1) / self.seeds
        groups, rest = (rng.chisquare(free, _DRAWS) / free for free in self.freedoms[1:])
        errors = Errors(alone, self.by_group * groups, self.rest * rest, self.freedoms[:2])
        pooled = replace(errors, shared=Shared(square, own[:, 0] + own[:, 1], freedom))
        widths = pooled.half_width(level, GUARD[self.family] if self.family else SINGLE)
        if self.family:
            widths = np.maximum(widths, pooled.half_width(LEVEL, SINGLE))
        return np.where(shares, widths, errors.half_width(level))


def _quantiles(freedom: int, count: int) -> Floats:
    """Return the middle of each of so many equal parts of chi²[f] / f."""
    return stats.chi2.ppf((np.arange(count) + 0.5) / count, freedom) / freedom
