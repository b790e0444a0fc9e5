"""Evidence made by hand, for what is drawn and written from it."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np

from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.conclusions.verdict import Verdict
from segbench.reporting.statistics.decision import Compared, Decision, Standing
from segbench.reporting.statistics.intervals import Difference
from segbench.reporting.statistics.margin import Margin
from segbench.reporting.statistics.means import Mean
from segbench.reporting.statistics.pairs import Pair


def made(
    means: Sequence[Mean], compared: Sequence[Compared] = (), answer: str = "It depends.", **more: Any
) -> Evidence:
    """Return evidence of a question for the best, of rows that are likely to have the rank of their mean.

    Args:
        means: One per row.
        compared: The comparisons; a row is ruled out that another is better than in one of them.
        answer: The sentence of the verdict.
        more: Any attribute of the evidence.
    """
    scored = [index for index, mean in enumerate(means) if np.isfinite(mean.mean)]
    order = sorted(scored, key=lambda index: -means[index].mean)
    beaten = {found.second for found in compared if found.verdict > 0}
    tested = {row for found in compared for row in found.rows}
    standings = [Standing(row, row in beaten, -0.02, 0.01, 0.04 if row in tested else nan, None) for row in order]
    ranks = np.full((len(means), len(means)), nan)
    for rank, index in enumerate(order):
        ranks[index] = np.arange(len(means)) == rank
    words = {row: "not best" if row in beaten else "may be best" for row in tested}
    values = {
        "means": tuple(means),
        "pairs": tuple(pair(found) for found in compared),
        "letters": ("",) * len(means),
        "ranks": ranks,
        "best": ranks[:, 0] if len(means) else np.zeros(0),
        "outlook": None,
        "verdict": Verdict("undecided", answer, rows=words),
        "decision": Decision("best", None, tuple(standings), tuple(compared)),
        "margin": Margin(0.001, True, 0.001),
    }
    return Evidence(**(values | more))


def pair(found: Compared, higher: float = 0.7) -> Pair:
    """Return the pair of rows behind a comparison by a score that is better when higher."""
    first, second = sorted(found.rows)
    sign = 1 if first == found.first else -1
    low, high = sorted((sign * found.low, sign * found.high))
    probability = higher if sign > 0 else 1 - higher
    return Pair(first, second, Difference(sign * found.gain, low, high, (0, 1), 4, 2), found.p, probability, sign * 0.5)
