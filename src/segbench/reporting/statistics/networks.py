"""Whether *these trained networks* differ on other images: for who uses a checkpoint, not for who trains again.

The networks are taken as they are, each row's as the mean of its seeds' scores, and groups of images alone are drawn
again: a row's groups have one contribution each (the jackknife of :mod:`segbench.reporting.statistics.jackknife`, mean
over seeds), two rows are compared by the paired t interval over groups. As in the question of the recipe, a row is
ruled out that another is shown to be better than (multiple comparisons with the best, J. C. Hsu, Ann. Stat. 12 (1984)
1136-1144): one-sided at 5 % / (K - 1), Bonferroni, and never by what a two-sided test at 5 % would not find.

It says nothing of another training. Where seeds vary, equal recipes have different networks, and this calls them
different, as it should.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from segbench.reporting.statistics.families import LEVEL
from segbench.reporting.statistics.intervals import ROUNDING
from segbench.reporting.statistics.jackknife import Layout
from segbench.scores.arithmetic import Floats


@dataclass(frozen=True)
class Networks:
    """What the networks of K rows show together.

    Attributes:
        order: The rows (indices) that were compared, the best mean first.
        counts: How many networks each has, in the same order.
        shortlist: Those whose networks may be the best, in the same order.
        gain: How much better the first is than the second, in units of the score.
        low: Lower end of its interval, whose error rate is that of one of the K - 1 comparisons.
        high: Its upper end.
    """

    order: tuple[int, ...]
    counts: tuple[int, ...]
    shortlist: tuple[int, ...]
    gain: float
    low: float
    high: float


def compare_networks(
    alone: Sequence[Layout | None], ranked: Sequence[int], direction: int = 1, most: float = np.inf
) -> Networks | None:
    """Compare the trained networks of rows on other images.

    Args:
        alone: Every row laid out by itself; None where it has no score.
        ranked: The rows that take part, the best mean first.
        direction: 1 where the highest score is the best, -1 where the lowest is.
        most: What the score can be at most, where intervals of differences end.

    Returns:
        What they show; None where fewer than two rows are scored on the same two groups of images or more. Folds of a
        cross-validation are scored by networks of their own, so there is none either.
    """
    fit = [(index, row) for index in ranked if (row := alone[index]) is not None and _fits(row)]
    fit = [(index, row) for index, row in fit if row.groups == fit[0][1].groups]
    if len(fit) < 2:
        return None
    values = direction * np.stack([row.table[0].mean(axis=0) for _, row in fit])
    best_first = np.argsort(-values.mean(axis=1), kind="stable")
    values, names = values[best_first], [fit[place] for place in best_first]
    one_sided = min(LEVEL / (len(fit) - 1), LEVEL / 2)
    gains, halves = _between(values, one_sided)
    beaten = np.asarray((gains - halves > ROUNDING).any(axis=0))
    low, high = np.clip([gains[0, 1] - halves[0, 1], gains[0, 1] + halves[0, 1]], -most, most).tolist()
    return Networks(
        tuple(index for index, _ in names),
        tuple(len(row.seeds) for _, row in names),
        tuple(index for (index, _), out in zip(names, beaten.tolist(), strict=True) if not out),
        float(gains[0, 1]),
        low,
        high,
    )


def _fits(row: Layout) -> bool:
    return row.known and row.crossed and not row.overlap and len(row.groups) > 1


def _between(values: Floats, one_sided: float) -> tuple[Floats, Floats]:
    """Return how much better the row is than the column, and half the width of the interval, (K,K) both."""
    groups = values.shape[1]
    deviations = values - values.mean(axis=1, keepdims=True)
    squares = deviations @ deviations.T / (groups - 1)
    spread = np.maximum(np.diag(squares)[:, None] + np.diag(squares) - 2 * squares, 0)
    gains = values.mean(axis=1)[:, None] - values.mean(axis=1)
    return gains, -stdtrit(groups - 1, one_sided) * np.sqrt(spread / groups)
