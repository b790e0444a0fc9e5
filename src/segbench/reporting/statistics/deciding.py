"""From tests of pairs to the decision on a question (:mod:`segbench.reporting.statistics.decision`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segbench.configuration.schema import Family
from segbench.reporting.statistics.best import decide_best
from segbench.reporting.statistics.decision import Compared, Decision, Standing
from segbench.reporting.statistics.families import LEVEL, dunnett, level, tukey
from segbench.reporting.statistics.pooling import Pool
from segbench.reporting.statistics.tested import Test, Tests
from segbench.scores.arithmetic import Floats


def decide(
    tests: Sequence[Test],
    order: Sequence[int],
    pool: Pool,
    question: Family = "best",
    baseline: int | None = None,
    direction: int = 1,
    most: float = np.inf,
    rate: float = LEVEL,
) -> Decision:
    """Decide a question.

    Args:
        tests: The pairs of rows that could be tested; those of other rows than ``order`` do not count.
        order: The rows that can be ranked, the best mean first.
        pool: Which rows share their variance between seeds.
        question: What is asked.
        baseline: Index of the row that others are compared with, of that question.
        direction: 1 where the highest score is the best, -1 where the lowest is.
        most: What the score can be at most; limits are cut off there.
        rate: Error rate of the whole decision; of one of several looks its share.
    """
    tests = [test for test in tests if {*test.rows} <= {*order}]
    if question == "baseline":
        tests = [test for test in tests if baseline in (test.first, test.second)]
    if not tests:
        nan = float("nan")
        nothing = tuple(Standing(row, False, nan, nan, nan, None) for row in order)
        return Decision(question, baseline, nothing, pool=pool)
    figures = Tests(tests, direction, most, question, rate)
    if question == "best":
        return decide_best(figures, order, pool)
    place = {row: index for index, row in enumerate(order)}
    p, alphas = _pairs(figures) if baseline is None else _against(figures, baseline)
    halves, p = figures.halves(np.arange(len(tests)), alphas), figures.adjusted(np.maximum(p, figures.single))
    compared = []
    for index, test in enumerate(tests):
        turned = bool(figures.gains[index] < 0) if baseline is None else test.first == baseline
        (first, second), sign = ((test.second, test.first), -1) if turned else (test.rows, 1)
        gain = sign * float(figures.gains[index])
        low, high = np.clip([gain - halves[index], gain + halves[index]], -most, most).tolist()
        compared.append(Compared(first, second, gain, low, high, float(p[index]), 1 - float(alphas[index])))
    compared.sort(key=lambda one: (place[one.first], place[one.second]))
    standings = tuple(_standing(row, compared) for row in order)
    return Decision(question, baseline, standings, tuple(compared), (float(alphas.min()), float(alphas.max())), pool)


def _against(figures: Tests, baseline: int) -> tuple[Floats, Floats]:
    """Return the corrected p-values of comparisons with one row, and the error rate of each alone, (T,) both."""
    rows = [baseline, *sorted({row for test in figures.tests for row in test.rows} - {baseline})]
    count, correlation = len(figures.tests), float(figures.correlations(rows)[0])
    alpha = level(lambda p: dunnett(p, count, correlation), figures.rate)
    return dunnett(figures.uncorrected, count, correlation), np.full(count, alpha)


def _pairs(figures: Tests) -> tuple[Floats, Floats]:
    """Return the corrected p-values of all pairs, and the error rate of each alone, (T,) both.

    Pairs of rows that share their variance have their part of the error rate, by their number; the others the rest.
    """
    count = len(figures.tests)
    shared = np.array([test.errors.shared is not None for test in figures.tests])
    p, alphas = np.minimum(figures.uncorrected * count, 1), np.full(count, figures.rate / count)
    if shared.any():
        rows, part = len({row for test in figures.tests if test.errors.shared for row in test.rows}), shared.mean()
        p[shared] = np.minimum(tukey(figures.uncorrected[shared], rows) / part, 1)
        alphas[shared] = level(lambda one: tukey(one, rows) / part, figures.rate)
    return p, alphas


def _standing(row: int, compared: Sequence[Compared]) -> Standing:
    """Return the standing of a row where the best is not asked for: only the clearest comparison that has the row."""
    own = [
        (one.p, one.first if one.second == row else one.second) for one in compared if row in (one.first, one.second)
    ]
    p, rival = min(own, default=(float("nan"), None))
    return Standing(row, False, float("nan"), float("nan"), p, rival)
