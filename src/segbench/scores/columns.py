"""Scores from further columns beside the counts of pixels: objects found, and how well.

A column holds what adds up over images, as counts do, so each score follows from sums: of one image's columns the
image's score, of their sums over all images the pooled one. A new score is an entry here and a function that fills its
columns (:mod:`segbench.scores.objects` and :mod:`segbench.scores.seg` have such); what stores, checks, averages and
compares them reads this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnScore:
    """A score of one class from columns that add up over images.

    Attributes:
        title: What figures call it.
        columns: Names of the K columns that it is made of.
        score: From them, (...,K), to the score, (...); NaN where there is nothing to score.
        lower_is_better: Whether it is a distance, 0 at best and without an upper end, rather than a share of 0 to 1.
        unit: Of a distance.
    """

    title: str
    columns: tuple[str, ...]
    score: Callable[[Floats], Floats]
    lower_is_better: bool = False
    unit: str = ""


def _share(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def object_f1(terms: Floats) -> Floats:
    """2 TP / (2 TP + FP + FN) in objects, the harmonic mean of precision and recall; NaN without any object."""
    tp, fp, fn = np.moveaxis(terms, -1, 0)
    return _share(2 * tp, 2 * tp + fp + fn)


def seg(terms: Floats) -> Floats:
    """Mean Jaccard index of the reference cells with the cells that cover them; NaN without any reference cell."""
    return _share(terms[..., 0], terms[..., 1])


def both_sides(terms: Floats) -> Floats:
    """Mean of the area-weighted means over truth and over predicted objects; of one side alone if the other is empty.

    Args:
        terms: (...,4): areas of the truth and of the predicted objects, then area times value summed over each.
    """
    sides = _share(terms[..., 2:], terms[..., :2])
    known = ~np.isnan(sides)
    return _share(np.where(known, sides, 0.0).sum(axis=-1), known.sum(axis=-1))


_AREAS = ("object_area_truth", "object_area_predicted")
COLUMN_SCORES: dict[str, ColumnScore] = {
    "object_f1": ColumnScore("object F1", ("object_tp", "object_fp", "object_fn"), object_f1),
    "object_dice": ColumnScore("object Dice", (*_AREAS, "object_dice_truth", "object_dice_predicted"), both_sides),
    "object_hausdorff": ColumnScore(
        "object Hausdorff distance in px",
        (*_AREAS, "object_hausdorff_truth", "object_hausdorff_predicted"),
        both_sides,
        lower_is_better=True,
        unit="px",
    ),
    "seg": ColumnScore("SEG", ("seg_sum", "seg_cells"), seg),
}
# Every column, each once.
SCORE_COLUMNS = tuple(dict.fromkeys(column for score in COLUMN_SCORES.values() for column in score.columns))


def largest(metric: str) -> float:
    """Return the most that a metric can be: 1 for a share, infinity for a distance."""
    return np.inf if lower_is_better(metric) else 1.0


def lower_is_better(metric: str) -> bool:
    """Say whether of two values of a metric, a score's name or ``<score>_<class>``, the lower one is better."""
    return any(
        score.lower_is_better and (metric == name or metric.startswith(f"{name}_"))
        for name, score in COLUMN_SCORES.items()
    )
