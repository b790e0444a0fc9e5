"""Tests of many pairs at once, each with its own degrees of freedom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segbench.configuration.schema import Family
from segbench.reporting.statistics.families import GUARD, LEVEL
from segbench.reporting.statistics.intervals import SINGLE, Errors, Shared
from segbench.scores.arithmetic import Floats


@dataclass(frozen=True)
class Test:
    """Two rows whose difference, ``first`` minus ``second``, can be tested.

    Attributes:
        first: Index of a row.
        second: Index of another, with first < second.
        mean: The difference, in units of the score.
        errors: Its squared standard errors.
    """

    # Not a test of pytest's.
    __test__ = False

    first: int
    second: int
    mean: float
    errors: Errors

    @property
    def rows(self) -> tuple[int, int]:
        """Both rows."""
        return self.first, self.second


@dataclass(frozen=True, eq=False)
class Tests:
    """T tests at once.

    Attributes:
        tests: They.
        direction: 1 where the highest score is the best, -1 where the lowest is.
        most: What the score can be at most.
        family: What they are to be corrected for.
        rate: Error rate of all together; of one of several looks its share
            (:mod:`segbench.reporting.statistics.sequential`).
    """

    __test__ = False

    tests: Sequence[Test]
    direction: int = 1
    most: float = np.inf
    family: Family = "best"
    rate: float = LEVEL

    @cached_property
    def gains(self) -> Floats:
        """How much better the first row is than the second, (T,)."""
        return self.direction * np.array([test.mean for test in self.tests])

    @cached_property
    def single(self) -> Floats:
        """Two-sided p-values, each alone, (T,)."""
        return self._p_values(SINGLE)

    @cached_property
    def uncorrected(self) -> Floats:
        """Two-sided p-values that are to be corrected for their number, (T,)."""
        return self._p_values(GUARD[self.family])

    def adjusted(self, p: Floats) -> Floats:
        """Return corrected p-values that mean at 5 % what the given ones mean at the error rate."""
        return np.minimum(p * (LEVEL / self.rate), 1)

    def halves(self, which: NDArray[np.int64], alphas: Floats) -> Floats:
        """Return half the width of the intervals of N tests, never less than that of each alone at the error rate.

        Args:
            which: Their indices, int64 (N,).
            alphas: Two-sided error rate of each, float64 (N,).

        Returns:
            float64 (N,).
        """
        result = np.zeros(len(which))
        for where, errors in _stacked([self.tests[index] for index in which.tolist()]):
            alone = errors.half_width(np.full(len(where), self.rate), SINGLE)
            result[where] = np.maximum(errors.half_width(alphas[where], GUARD[self.family]), alone)
        return result

    def correlations(self, rows: Sequence[int]) -> Floats:
        """Return how comparisons of each of K rows with the others are correlated, the mean over them, (K,).

        Of V, the squared standard errors of the differences of i from j and l, and of j from l, it is
        (V_ij + V_il - V_jl) / (2 sqrt(V_ij V_il)). Comparisons that share no variance are taken for independent, the
        safe side; more than 1/2, as where i varies more than the others, is not counted on.
        """
        place, size = {row: index for index, row in enumerate(rows)}, len(rows)
        squares, result = np.full((size, size), np.nan), np.zeros(size)
        for test in self.tests:
            if test.errors.shared is not None and test.first in place and test.second in place:
                ends = place[test.first], place[test.second]
                squares[ends] = squares[ends[::-1]] = float(test.errors.total)
        for row in range(size):
            others = np.arange(size) != row
            own, between = squares[row, others], squares[np.ix_(others, others)]
            with np.errstate(invalid="ignore", divide="ignore"):
                found = (own[:, None] + own - between) / (2 * np.sqrt(own[:, None] * own))
            if size > 2:
                off = found[~np.eye(size - 1, dtype=bool)]
                result[row] = np.clip(np.nan_to_num(off), 0, 1).mean()
        return np.minimum(result, 0.5)

    def _p_values(self, guard: float) -> Floats:
        result, means = np.ones(len(self.tests)), np.array([test.mean for test in self.tests])
        for where, errors in _stacked(self.tests):
            result[where] = errors.p_value(means[where], guard)
        return result


def _stacked(tests: Sequence[Test]) -> list[tuple[list[int], Errors]]:
    """Return the errors of those that share a variance and of those that do not, and where they stand."""
    found = []
    for shares in (False, True):
        where = [index for index, test in enumerate(tests) if (test.errors.shared is not None) == shares]
        if where:
            found.append((where, _together([tests[index].errors for index in where])))
    return found


def _together(errors: Sequence[Errors]) -> Errors:
    seeds, groups, rest = (np.array([getattr(one, key) for one in errors]) for key in ("seeds", "groups", "rest"))
    by_seed, by_group = (np.array([one.freedom[place] for one in errors]) for place in (0, 1))
    known = [one.shared for one in errors if one.shared is not None]
    shared = Shared(*(np.array([getattr(one, key) for one in known]) for key in ("square", "own", "freedom")))
    return Errors(seeds, groups, rest, (by_seed, by_group), shared if known else None)
