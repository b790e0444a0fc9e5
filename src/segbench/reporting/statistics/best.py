"""Multiple comparisons with the best (Hsu), with a squared error of its own for every pair of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segbench.reporting.statistics.decision import Compared, Decision, Standing
from segbench.reporting.statistics.families import LEVEL, level, one_sided_dunnett
from segbench.reporting.statistics.pooling import Pool
from segbench.reporting.statistics.tested import Tests
from segbench.scores.arithmetic import Floats


@dataclass(frozen=True, eq=False)
class _Square:
    """The tests by both of their rows, in the order of the rows' means; what is not tested is NaN.

    Attributes:
        tests: The tests.
        order: The K rows, the best mean first.
    """

    tests: Tests
    order: Sequence[int]

    @cached_property
    def where(self) -> NDArray[np.int64]:
        """Which test is of two rows, int64 (K,K); -1 where there is none."""
        place = {row: index for index, row in enumerate(self.order)}
        found = np.full((len(self.order), len(self.order)), -1)
        for index, test in enumerate(self.tests.tests):
            first, second = place[test.first], place[test.second]
            found[first, second] = found[second, first] = index
        return found

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which two rows are tested, bool (K,K)."""
        return self.where >= 0

    @cached_property
    def gains(self) -> Floats:
        """How much better the row is than the column, (K,K)."""
        firsts = np.array([test.first for test in self.tests.tests])
        sign = np.where(firsts[self.where] == np.array(self.order)[:, None], 1, -1)
        return np.where(self.known, sign * self.tests.gains[self.where], np.nan)

    @cached_property
    def alphas(self) -> Floats:
        """Two-sided error rate of the comparisons of a row with all others, (K,)."""
        return np.array([self._alpha(row) for row in range(len(self.order))])

    @cached_property
    def p(self) -> Floats:
        """Corrected p-value of the column's being better than the row, (K,K); infinite where not tested."""
        result = np.full(self.known.shape, np.inf)
        for row, others in enumerate(self.known):
            index, worse = self.where[row, others], self.gains[row, others] < 0
            half = self.tests.uncorrected[index] / 2
            one_sided = one_sided_dunnett(np.where(worse, half, 1 - half), *self._family(row))
            p = self.tests.adjusted(np.maximum(one_sided, self.tests.single[index]))
            result[row, others] = np.where(worse, p, 1.0)
        return result

    @cached_property
    def halves(self) -> Floats:
        """Half the width of the interval of row and column at the row's error rate, (K,K)."""
        rows, columns = np.nonzero(self.known)
        result = np.full(self.known.shape, np.nan)
        result[rows, columns] = self.tests.halves(self.where[rows, columns], self.alphas[rows])
        return result

    @cached_property
    def correlations(self) -> Floats:
        """How the comparisons of a row are correlated, (K,)."""
        return self.tests.correlations(self.order)

    def _family(self, row: int) -> tuple[int, float]:
        return int(self.known[row].sum()), float(self.correlations[row])

    def _alpha(self, row: int) -> float:
        count, correlation = self._family(row)
        if not count:
            return self.tests.rate
        return min(2 * level(lambda p: one_sided_dunnett(p, count, correlation), self.tests.rate), self.tests.rate)


def decide_best(tests: Tests, order: Sequence[int], pool: Pool) -> Decision:
    """Decide which rows may be the best.

    Args:
        tests: The pairs of rows that could be tested.
        order: The rows that have a score, the best mean first.
        pool: Which rows share their variance between seeds.
    """
    square = _Square(tests, order)
    ruled_out: NDArray[np.bool_] = np.any(square.p < LEVEL, axis=1)
    limits = _limits(square, ruled_out, tests.most)
    standings, compared = [], []
    for row, name in enumerate(order):
        tested = bool(square.known[row].any())
        rival = int(square.p[row].argmin())
        p = float(square.p[row, rival]) if tested else float("nan")
        low, high = limits[row].tolist()
        standings.append(Standing(name, bool(ruled_out[row]), low, high, p, order[rival] if tested else None))
        # The leader is named wherever it decides as well as any other.
        leader = square.known[row, 0] and (square.p[row, 0] < LEVEL or not ruled_out[row])
        if tested and (row or ruled_out[row]):
            compared.append(_compared(square, 0 if leader else rival, row))
    alphas = square.alphas[square.known.any(axis=1)]
    levels = float(alphas.min()), float(alphas.max())
    return Decision("best", None, tuple(standings), tuple(compared), levels, pool)


def _compared(square: _Square, better: int, row: int) -> Compared:
    """Return the comparison that asks whether one row is better than another."""
    gain, half = float(square.gains[better, row]), float(square.halves[row, better])
    most = square.tests.most
    low, high = np.clip([gain - half, gain + half], -most, most).tolist()
    names = square.order[better], square.order[row]
    return Compared(*names, gain, low, high, float(square.p[row, better]), 1 - float(square.alphas[row]))


def _limits(square: _Square, ruled_out: NDArray[np.bool_], most: float) -> Floats:
    """Return Hsu's constrained limits of every row against the best of the others, (K,2); NaN where unknown."""
    result = np.full((len(ruled_out), 2), np.nan)
    for row, known in enumerate(square.known):
        if not known.any():
            continue
        result[row, 1] = 0 if ruled_out[row] else max(0, np.nanmin(square.gains[row] + square.halves[row]))
        rivals = ~ruled_out
        rivals[row] = False
        if not rivals.any():
            result[row, 0] = 0
        elif known[rivals].all():
            # At the rivals' error rates: one of them may be the best.
            result[row, 0] = min(0, (square.gains[row, rivals] - square.halves[rivals, row]).min())
    return np.clip(result, -most, most)
