"""Rows that no score can rank: runs that predict one thing everywhere or collapsed, and rows that are the same.

A run that marks everything, or nothing, has a score all the same (Dice 0.15, say), and a mean of two such rows has a
better one. A seed **collapsed** that predicts one thing everywhere, or agrees with the truth beyond chance (kappa) less
than half as well as its row's median seed, or hardly at all beside the best row's: such a row's mean is that of two
kinds of runs, and its interval knows of the second kind only what so few seeds show. Kappa is asked whatever score
decides: where a class is large, a good Dice is only little above that of marking everything, and a distance has no
least value at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_high

import numpy as np

from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison, Row
from segbench.runs.split_scores import SplitScores, derive

# Less agreement than this is rounding.
_ROUNDING = 1e-12
# A seed that agrees with the truth by less than this share of what the best row's does has learned nothing, whatever
# its row's other seeds do.
_NOTHING = 0.02


@dataclass(frozen=True)
class Collapse:
    """What became of one seed of a row.

    Attributes:
        seed: The seed.
        score: Its score.
        everywhere: What it predicts everywhere, ``background`` say; empty where predictions differ.
    """

    seed: int
    score: float
    everywhere: str


@dataclass(frozen=True)
class Same:
    """Rows that made the same of every image with every seed, and the number of images."""

    rows: tuple[int, ...]
    images: int


def collapses(comparison: Comparison) -> dict[int, tuple[Collapse, ...]]:
    """Return the collapsed seeds of each row (its index) that has any, ascending."""
    rows = [_agreed(row, comparison.split) for row in comparison.rows]
    best = max((middle for seeds in rows if np.isfinite(middle := _middle(seeds))), default=np.nan)
    found = {index: _collapsed(seeds, best, comparison) for index, seeds in enumerate(rows)}
    return {index: seeds for index, seeds in found.items() if seeds}


def same_rows(comparison: Comparison) -> tuple[Same, ...]:
    """Return the rows that are the same, each set of them once; of rows without a shared seed nothing is known."""
    firsts: list[list[int]] = []
    rows = [_by_seed(row, comparison.split) for row in comparison.rows]
    for index, row in enumerate(rows):
        fitting = (members for members in firsts if _same(rows[members[0]], row))
        found = next(fitting, None) if row else None
        if found is None:
            firsts.append([index])
        else:
            found.append(index)
    images = [len(next(iter(row.values())).ids) if row else 0 for row in rows]
    return tuple(Same(tuple(members), images[members[0]]) for members in firsts if len(members) > 1)


def same_images(first: Row, second: Row, split: str) -> int:
    """Return of how many images two rows made the same with every shared seed; 0 where they differ or share none."""
    sides = _by_seed(first, split), _by_seed(second, split)
    return len(next(iter(sides[0].values())).ids) if _same(*sides) else 0


def lost_images(comparison: Comparison) -> dict[tuple[str, ...], list[int]]:
    """Return images that rows lose with every seed, and the rows (indices) that lose them.

    An image is lost that scores less than half of the row's median image. None is a rare failure where more than one
    in ten is, where the score is a distance, or where an image is but right or wrong.
    """
    found: dict[tuple[str, ...], list[int]] = {}
    for index, row in enumerate(comparison.rows):
        if (names := _lost(row, comparison)) and comparison.graded and comparison.direction > 0:
            found.setdefault(names, []).append(index)
    return found


def _lost(row: Row, comparison: Comparison) -> tuple[str, ...]:
    parts = [run.counts[comparison.split] for run in row.done]
    if not parts or any(part.ids != parts[0].ids for part in parts):
        return ()
    scores = np.stack([part.image_scores(comparison.score, comparison.convention) for part in parts])
    known = np.isfinite(scores).all(axis=0)
    if not known.any():
        return ()
    low = (scores < np.median(scores[:, known], axis=1, keepdims=True) / 2).all(axis=0)
    names = [parts[0].ids[index] for index in np.flatnonzero(known & low)]
    return tuple(names) if len(names) <= max(1, int(known.sum()) // 10) else ()


def _collapsed(
    seeds: Sequence[tuple[Run, SplitScores, float]], best: float, comparison: Comparison
) -> tuple[Collapse, ...]:
    middle, found = _middle(seeds), []
    for run, part, agreed in seeds:
        # False where anything is NaN.
        far = middle > 0 and agreed < middle / 2
        nothing = best > 0 and agreed < _NOTHING * best
        everywhere = "" if agreed > _ROUNDING else _everywhere(part)
        if far or nothing or everywhere:
            found.append(Collapse(_seed(run), derive(part, comparison.metric, comparison.convention), everywhere))
    return tuple(found)


def _agreed(row: Row, split: str) -> list[tuple[Run, SplitScores, float]]:
    """Return each seed's run, what it made of the split, and its agreement with the truth."""
    parts = [(run, run.counts[split]) for run in row.done if run.seed is not None]
    return [(run, part, part.agreement) for run, part in parts]


def _middle(seeds: Sequence[tuple[Run, SplitScores, float]]) -> float:
    """Return the median seed's agreement, the upper of two; NaN without any."""
    known = [agreed for _, _, agreed in seeds if np.isfinite(agreed)]
    return median_high(known) if known else np.nan


def _everywhere(part: SplitScores) -> str:
    """Return what is predicted everywhere; empty where predictions differ."""
    return next((name for name, constant in part.constants().items() if part.same(constant)), "")


def _seed(run: Run) -> int:
    return -1 if run.seed is None else run.seed


def _by_seed(row: Row, split: str) -> dict[int, SplitScores]:
    return {_seed(run): run.counts[split] for run in row.done}


def _same(first: dict[int, SplitScores], second: dict[int, SplitScores]) -> bool:
    shared = first.keys() & second.keys()
    return bool(shared) and all(
        first[seed].same_images(second[seed]) and first[seed].same(second[seed]) for seed in shared
    )
