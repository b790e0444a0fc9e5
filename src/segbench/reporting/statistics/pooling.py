"""What the rows of a comparison say together of how much seeds matter, guarded against rows that vary more than others.

Three seeds leave two degrees of freedom for a pair of rows, K rows together up to 2 (K - 1). With X[k,s] the score of
row k and seed s, the residuals of the two-way layout keep the pairing by seed, as what a seed does to all rows is taken
off. Were the rows alike, their mean square with (K - 1)(S - 1) degrees of freedom would be the one to take. They may
not be, and three seeds can hardly show it; so four rules protect the test:

- **A row leaves**, and its pairs keep the test of their own, where its variance about the mean of the others exceeds
  the 95 % point of F against the mean square of the others.
- **More from rows that vary more.** Each row's mean square is weighted with itself (the contraharmonic mean), divided
  by what that adds where all rows are alike: with w the rows' shares of the sum, K sum(w²) (K f + 2) / (K (f + 2))
  times the mean square, f = S - 1. Where half of the rows vary far more, that is the variance of those.
- **Fewer degrees of freedom**: divided by K sum(w²), as S. Geisser and S. W. Greenhouse correct an analysis of variance
  of repeated measures (Ann. Math. Stat. 29 (1958) 885-891) where variances differ.
- **Never less than the two rows say themselves**: their own squared error counts 1.4 to 2.2
  times (:data:`segbench.reporting.statistics.families.GUARD`), though no more than in a test that knows them alone.

With two seeds no such rule held, and none applies.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from segbench.reporting.statistics.intervals import Shared
from segbench.reporting.statistics.jackknife import Side, UnpairedError, layout
from segbench.scores.arithmetic import Floats

LEAST_SEEDS = 3
LEAST_ROWS = 3
_POINT = 0.95
VARIES_MORE = "varies more between seeds than the others"
LEARNED_LITTLE = "has seeds that learned little or nothing"
OTHER_SEEDS = "has other seeds than most rows"


@dataclass(frozen=True)
class Pool:
    """Rows whose seeds are taken together.

    Attributes:
        seeds: The seeds that all of them have.
        square: Squared standard error of a difference between two of them, of the mean over the seeds.
        own: Row to the same by that row alone; of two rows they add up.
        freedom: Degrees of freedom of ``square``.
        left: Rows that are not in it, and why, as the end of a sentence.
    """

    seeds: tuple[int, ...] = ()
    square: float = 0.0
    own: Mapping[int, float] = field(default_factory=dict)
    freedom: float = 0.0
    left: Mapping[int, str] = field(default_factory=dict)

    def between(self, first: int, second: int) -> Shared | None:
        """Return what is known together of two rows' difference; None where one of them is not in the pool."""
        if first not in self.own or second not in self.own:
            return None
        own = self.own[first] + self.own[second]
        return Shared(np.array(self.square), np.array(own), np.array(self.freedom))


def outlying(scores: Floats) -> NDArray[np.bool_]:
    """Return which of K >= 3 rows vary more between seeds than the others.

    Args:
        scores: By row and seed, float64 (...,K,S).

    Returns:
        bool (...,K).
    """
    rows, seeds = scores.shape[-2:]
    residual = _residuals(scores, np.ones(scores.shape[:-1], bool))
    squares = (residual**2).sum(axis=-1)
    # Of the row against the mean of the others; the rest of the sum is that of the others among themselves.
    against = squares * rows / (rows - 1)
    others = squares.sum(axis=-1, keepdims=True) - against
    freedoms = seeds - 1, (rows - 2) * (seeds - 1)
    return np.asarray(against * freedoms[1] > fdtri(*freedoms, _POINT) * freedoms[0] * np.maximum(others, 0))


def together(scores: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return the squared standard errors that rows show together and alone.

    Args:
        scores: By row and seed, float64 (...,K,S).
        inside: Which rows count, bool (...,K), at least 2.

    Returns:
        ``square`` (...), ``own`` (...,K) and ``freedom`` (...), as in :class:`Pool`.
    """
    seeds, rows = scores.shape[-1], inside.sum(axis=-1)
    free = seeds - 1
    squares = (_residuals(scores, inside) ** 2).sum(axis=-1) / free
    total = squares.sum(axis=-1)
    uneven = np.divide((squares**2).sum(axis=-1), total**2, out=np.array(1 / rows), where=total > 0)
    more = uneven * (rows * free + 2) / (free + 2)
    freedom = np.maximum((rows - 1) * free / (rows * uneven), free)
    return 2 * total / (rows - 1) * more / seeds, squares * (rows / (rows - 1))[..., None] / seeds, freedom


def pool(rows: Sequence[int], sides: Sequence[Side], collapsed: Collection[int] = ()) -> Pool:
    """Return the pool of a comparison's rows; without any row where they have too few seeds, or are too few.

    Args:
        rows: Indices of the rows.
        sides: The runs of each of them by seed.
        collapsed: Rows with seeds that collapsed, which stay out.
    """
    left = {row: LEARNED_LITTLE for row in rows if row in collapsed}
    members = [(row, side) for row, side in zip(rows, sides, strict=True) if row not in left]
    kinds = {row: tuple(sorted(side)) for row, side in members}
    several = [kind for kind in kinds.values() if len(kind) >= LEAST_SEEDS]
    if not several:
        return Pool()
    usual = max(dict.fromkeys(several), key=lambda kind: (several.count(kind), len(kind)))
    fit = [(row, side) for row, side in members if kinds[row] == usual]
    left |= {row: OTHER_SEEDS for row, kind in kinds.items() if kind != usual}
    if len(fit) < LEAST_ROWS:
        return Pool()
    try:
        found = layout(*(side for _, side in fit))
    except UnpairedError:
        return Pool()
    if not found.known:
        return Pool()
    scores = np.nanmean(found.table, axis=-1)
    inside = ~outlying(scores)
    left |= {row: VARIES_MORE for (row, _), member in zip(fit, inside, strict=True) if not member}
    if inside.sum() < LEAST_ROWS:
        return Pool(left=left)
    square, own, freedom = together(scores, inside)
    alone = {row: float(value) for (row, _), value, member in zip(fit, own, inside, strict=True) if member}
    return Pool(usual, float(square), alone, float(freedom), left)


def _residuals(scores: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Return the scores less the means of their row and seed, 0 for rows that do not count."""
    member = inside[..., None]
    centred = np.where(member, scores - scores.mean(axis=-1, keepdims=True), 0.0)
    by_seed = centred.sum(axis=-2, keepdims=True) / inside.sum(axis=-1)[..., None, None]
    return np.where(member, centred - by_seed, 0.0)
