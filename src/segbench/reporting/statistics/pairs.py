"""All pairs of an experiment's rows: difference, test, and how large the difference is.

The p-value is that of the interval (:mod:`segbench.reporting.statistics.intervals`), which takes seeds and groups of
images for random, and the seeds' part from all rows that vary alike (:mod:`segbench.reporting.statistics.pooling`). The
usual tests over images, Wilcoxon's or sign flips, take the trained networks as given: they answer whether these
networks differ on other images, and where seeds differ they call equal configurations different far too often
(``tests/reporting/test_simulations.py``). So there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from segbench.reporting.statistics.intervals import (
    ROUNDING,
    Difference,
    Errors,
    difference_of,
    standard_errors,
)
from segbench.reporting.statistics.jackknife import Layout, Side, UnpairedError, layout
from segbench.reporting.statistics.pooling import Pool, pool
from segbench.reporting.statistics.tested import Test
from segbench.scores.arithmetic import Floats


@dataclass(frozen=True)
class Pair:
    """Two configurations compared, ``first`` minus ``second``.

    Attributes:
        first: Index of a row.
        second: Index of another, with first < second.
        difference: The paired difference with its 95 % interval, not corrected for other pairs.
        p: Two-sided p-value of the test; NaN where there is none (one shared seed, one group).
        probability: Share of (seed, group) pairs in which the first scores higher, in [0, 1], a tie counting half: with
            several seeds and groups an estimate of that for new ones. NaN where contributions are unknown.
        effect: Standardised effect size of the paired differences (Cohen's d_z); NaN where they do not vary.
        cases: Number of (seed, group) pairs.
    """

    first: int
    second: int
    difference: Difference
    p: float
    probability: float
    effect: float
    cases: int = 0

    @property
    def turned(self) -> Pair:
        """The same, ``second`` minus ``first``."""
        found = self.difference
        difference = replace(found, mean=-found.mean, low=-found.high, high=-found.low)
        ends = {"first": self.second, "second": self.first}
        return replace(self, **ends, difference=difference, probability=1 - self.probability, effect=-self.effect)


@dataclass(frozen=True)
class Pairs:
    """Every two of an experiment's rows.

    Attributes:
        pairs: Those that can be compared.
        refused: Why the others cannot, as the end of a sentence.
        tests: Those of ``pairs`` that have a test, for :func:`segbench.reporting.statistics.decision.decide`.
        pool: Which rows share their variance between seeds.
        tables: The contributions to the difference, float64 (S,G), of each pair of which all is known; without rows of
            which a seed collapsed, as they say nothing of how others vary.
    """

    pairs: tuple[Pair, ...]
    refused: dict[tuple[int, int], str]
    tests: tuple[Test, ...]
    pool: Pool
    tables: list[Floats]


def compare_pairs(
    rows: Sequence[int], sides: Sequence[Side], most: float = np.inf, collapsed: Collection[int] = ()
) -> Pairs:
    """Compare every two rows.

    Args:
        rows: Indices of the rows, ascending.
        sides: The runs of each of them by seed.
        most: What the score can be at most; intervals are cut off there.
        collapsed: Rows with seeds that collapsed, which share no variance with others.
    """
    found, layouts, refused = [], [], {}
    for (first, left), (second, right) in combinations(zip(rows, sides, strict=True), 2):
        try:
            layouts.append(layout(left, right))
            found.append((first, second))
        except UnpairedError as error:
            refused[first, second] = str(error)
    shared = pool(rows, sides, collapsed)
    compared = [_compare(*names, both, most, shared) for names, both in zip(found, layouts, strict=True)]
    tables = [
        both.table[0] - both.table[1]
        for names, both in zip(found, layouts, strict=True)
        if both.known and both.crossed and not {*names} & {*collapsed}
    ]
    pairs, tests = tuple(pair for pair, _ in compared), tuple(test for _, test in compared if test)
    return Pairs(pairs, refused, tests, shared, tables)


def probability_above(table: Floats) -> float:
    """Return the share of (seed, group) differences (S,G) above 0; a tie counts half."""
    values, tie = table[np.isfinite(table)], _rounding(table)
    return float(((values > tie) + 0.5 * (np.abs(values) <= tie)).mean())


def effect_size(table: Floats) -> float:
    """Return Cohen's d_z: mean of the differences (S,G) divided by their standard deviation; NaN where that is 0."""
    values = table[np.isfinite(table)]
    deviation = values.std(ddof=1) if values.size > 1 else 0.0
    return float(values.mean() / deviation) if deviation > _rounding(table) else float("nan")


def _rounding(table: Floats) -> float:
    """Return the rounding of a contribution: that of the score, multiplied by the number of groups as it was."""
    return ROUNDING * table.shape[-1]


def _testable(both: Layout) -> bool:
    """Whether seeds and groups show how a difference varies."""
    return both.known and min(both.table.shape[1:]) > 1


def _compare(first: int, second: int, both: Layout, most: float, shared: Pool) -> tuple[Pair, Test | None]:
    """Return two rows compared, and their test where there is one."""
    table = both.table[0] - both.table[1]
    errors = replace(standard_errors(table, both.overlap), shared=shared.between(first, second))
    difference = difference_of(both, most=most, errors=errors)
    test = Test(first, second, difference.mean, errors) if _testable(both) else None
    return _pair(first, second, both, difference, table, errors if test else None), test


def _pair(first: int, second: int, both: Layout, difference: Difference, table: Floats, errors: Errors | None) -> Pair:
    nan = float("nan")
    if not both.known:
        return Pair(first, second, difference, nan, nan, nan)
    return Pair(
        first,
        second,
        difference,
        p=float(errors.p_value(np.array(difference.mean))) if errors else nan,
        probability=probability_above(table),
        effect=effect_size(table),
        cases=int(np.isfinite(table).sum()),
    )
