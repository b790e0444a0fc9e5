"""What this design can find, how sure that is, and how many seeds another answer takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from scipy import stats

from segbench.configuration.schema import Family
from segbench.reporting.statistics.families import planned
from segbench.reporting.statistics.pooling import LEAST_SEEDS
from segbench.reporting.statistics.power import POWER, detectable
from segbench.reporting.statistics.variance_components import Components

MOST_SEEDS = 100


@dataclass(frozen=True)
class Range:
    """An estimate with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """How differences between two rows vary, and in which design they were seen.

    Attributes:
        variances: Of the difference between two rows, of the same seed on the same group; not of a single score: what
            rows share, as hard images, has no part in it.
        seeds: Number of seeds, of the usual pair.
        groups: Number of groups of images.
        rows: Number of rows that are compared.
        family: Which comparisons are corrected for each other.
        overlap: As for :func:`segbench.reporting.statistics.intervals.standard_errors`, where the groups are folds.
        pooled: Whether rows share their variance between seeds.
    """

    variances: Components
    seeds: int
    groups: int
    rows: int
    family: Family = "best"
    overlap: float = 0.0
    pooled: bool = True

    @property
    def shares(self) -> dict[str, float]:
        """Share of each source in the variance of one difference (one seed, one group), as those of Components."""
        return self.variances.shares

    @property
    def shares_of_mean(self) -> dict[str, float]:
        """Share of each source in the variance of the mean difference: of the largest more would help most.

        ``seed`` falls with more seeds, ``image`` with more groups, ``rest`` with either.
        """
        parts, per_group = self.variances, 1 / self.groups + self.overlap
        by_seed, by_group = parts.seed / self.seeds, parts.image * per_group
        return Components(by_seed, by_group, parts.rest / self.seeds * per_group).shares

    @cached_property
    def detectable(self) -> Range:
        """The smallest true difference that the corrected decision finds in 80 % of such experiments.

        Its interval is that of the variances, by chi² with Satterthwaite's degrees of freedom, counting each row's
        seeds and groups once.
        """
        value, freedom = self.finds(self.seeds), self._freedom()
        low, high = (value * (freedom / stats.chi2.ppf(at, freedom)) ** 0.5 for at in (0.95, 0.05))
        return Range(value, float(low), float(high))

    def finds(self, seeds: int, groups: int | None = None) -> float:
        """Return the smallest true difference that other numbers of seeds and groups find in 80 % of experiments."""
        level = planned(self.family, self.rows)
        # Rows of two seeds could not show whether they vary alike.
        rows = self.rows if self.pooled or self.seeds < LEAST_SEEDS else 2
        return detectable(self.variances, seeds, groups or self.groups, level, POWER, self.overlap, rows, self.family)

    def settle(self, difference: float, most: int = MOST_SEEDS) -> int | None:
        """Return how many seeds each row needs in all, so that such a true difference is found in 80 % of experiments.

        Args:
            difference: In units of the score, above 0.
            most: So many seeds are tried at most.

        Returns:
            The number, at least 2; None where even so many do not suffice, as where images alone vary.
        """
        if not difference > 0 or self.finds(most) > difference:
            return None
        low, high = 1, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.finds(middle) <= difference else (middle, high)
        return high

    def _freedom(self) -> float:
        """Return Satterthwaite's degrees of freedom of the squared standard error of a mean difference."""
        rows, per_group = max(self.rows, 2) - 1, 1 / self.groups + self.overlap
        rest = self.variances.rest / self.seeds * per_group
        by_seed = self.variances.seed / self.seeds + rest
        by_group = self.variances.image * per_group + rest
        frees = self.seeds - 1, self.groups - 1, (self.seeds - 1) * (self.groups - 1)
        squares = sum(part**2 / (rows * free) for part, free in zip((by_seed, by_group, rest), frees, strict=True))
        return float((by_seed + by_group - rest) ** 2 / squares) if squares else float("inf")
