"""How likely each row has each rank, over other seeds and other groups of images.

A bootstrap over seeds and groups, with normal weights for resampling (C. F. J. Wu, Ann. Stat. 14 (1986) 1261-1295): the
row's mean plus its seeds' deviations and its groups' deviations, weighted at random, the same weights for every row, so
that what rows share cancels. Each source is scaled by sqrt(f / chi²[f]), f its degrees of freedom: so a single source's
draws have Student's t quantiles, those of the interval. Plain resampling of 3 seeds has but 10 outcomes and is far too
sure: where seeds alone vary, 1 of 4 pairs of equal configurations has one better in all 3 seeds, hence in every draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segbench.reporting.statistics.intervals import ROUNDING
from segbench.reporting.statistics.jackknife import Layout
from segbench.scores.arithmetic import Floats

DRAWS = 10_000
_BLOCK = 1_000


def rank_probabilities(rows: Sequence[Layout], draws: int = DRAWS, direction: int = 1) -> Floats:
    """Return how likely each of R rows has each rank.

    Args:
        rows: The rows, each alone, with 2 seeds and 2 groups or more, all known.
        draws: Number of draws, always the same ones.
        direction: 1 where the highest is the best, -1 where the lowest is.

    Returns:
        float64 (R,R): row i's probability of rank j (0 = best); rows and columns add up to 1.
    """
    seeds, by_seed = _deviations([(row.seeds, np.nanmean(row.table[0], axis=1), 0.0) for row in rows])
    groups, by_group = _deviations([(row.groups, np.nanmean(row.table[0], axis=0), row.overlap) for row in rows])
    means = np.array([row.scores[0].mean() for row in rows])
    freedoms = [[len(names) - 1 for names in (row.seeds, row.groups)] for row in rows]
    counts = np.zeros((len(rows), len(rows)))
    rng = np.random.default_rng(0)
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        values = np.broadcast_to(means[:, None], (len(rows), size)).copy()
        for source, (names, deviations) in enumerate(((seeds, by_seed), (groups, by_group))):
            drawn = deviations @ rng.normal(size=(names, size))
            # Rows with equally many seeds share the scale, as they share the weights.
            scales = {f: np.sqrt(f / rng.chisquare(f, size)) for f in sorted({pair[source] for pair in freedoms})}
            values += drawn * np.stack([scales[pair[source]] for pair in freedoms])
        counts += _ranks(direction * values)
    return counts / draws


def _ranks(values: Floats) -> Floats:
    """Return how often each row has each rank, 0 the highest, (R,R); rows that are equal share their ranks evenly.

    Args:
        values: Of each row in each draw (R,D); what differs by rounding only is equal.
    """
    count, draws = values.shape
    order = np.argsort(-values, axis=0)
    ordered = np.take_along_axis(values, order, axis=0)
    parted = ordered[:-1] - ordered[1:] > ROUNDING
    places, edge = np.arange(count)[:, None], np.ones((1, draws), bool)
    # The first rank of those that are equal, and the one behind their last.
    first = np.maximum.accumulate(np.where(np.concatenate([edge, parted]), places, 0), axis=0)
    behind = np.minimum.accumulate(np.where(np.concatenate([parted, edge]), places + 1, count)[::-1], axis=0)[::-1]
    share = 1 / (behind - first)
    steps = np.zeros((count, count + 1))
    np.add.at(steps, (order, first), share)
    np.add.at(steps, (order, behind), -share)
    return steps.cumsum(axis=1)[:, :-1]


def _deviations(rows: Sequence[tuple[Sequence[int] | Sequence[str], Floats, float]]) -> tuple[int, Floats]:
    """Return the number N of different names, and the deviations from the mean by row and name, (R,N).

    A row's deviations are divided by sqrt(n (n - 1)), so that with normal weights their sum has the standard error of
    the mean; more where they are folds that overlap. A name that a row lacks deviates by 0.
    """
    place: dict[int | str, int] = {}
    for names, _, _ in rows:
        for name in names:
            place.setdefault(name, len(place))
    result = np.zeros((len(rows), len(place)))
    for index, (names, means, overlap) in enumerate(rows):
        scale = np.sqrt((1 / len(means) + overlap) / (len(means) - 1))
        result[index, [place[name] for name in names]] = (means - means.mean()) * scale
    return len(place), result
