"""Scores of an image from further columns beside the counts of pixels: objects found, distances between surfaces.

A column holds what adds up over images, as counts do, so each score follows from sums: of one image's columns the
image's score, of their sums over all images the pooled one. What a score is made of is declared, not programmed
(:class:`ColumnScore`), and the declaration is stored with the run's scores: whatever reads, checks, averages and
compares them needs nothing else, and runs no code to do so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """A quotient of two sums of columns, each column with a factor.

    Attributes:
        numerator: Column to factor.
        denominator: Column to factor.
    """

    numerator: Mapping[str, float]
    denominator: Mapping[str, float]


@dataclass(frozen=True)
class ColumnScore:
    """A score of one class from columns that add up over images.

    Attributes:
        name: What configurations and tables call it, ``object_f1`` say.
        title: What figures call it, ``object F1`` say, without its unit.
        ratios: What it is the mean of. Of a ratio whose denominator is 0 nothing is known: an arithmetic mean leaves it
            out; a harmonic one is 0 if another ratio is, whatever this one would be, else unknown too. Without any the
            score is NaN.
        mean: ``arithmetic``, or ``harmonic``, as the F1 score is of precision and recall; of one ratio both are it.
        lower_is_better: Whether it is a distance, 0 at best and without an upper end, rather than a share of 0 to 1.
        unit: Of a distance.
        empty: What a class that only truth or only prediction has scores, as a note to the convention.
        left_out: Column that counts the images whose class is left out on purpose, if there is such: of them the score
            is unknown, and not that of an image which has nothing to score.
    """

    name: str
    title: str
    ratios: tuple[Ratio, ...]
    mean: Literal["arithmetic", "harmonic"] = "arithmetic"
    lower_is_better: bool = False
    unit: str = ""
    empty: str = ""
    left_out: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the K columns that it is made of, each once."""
        parts = [part for ratio in self.ratios for part in (ratio.numerator, ratio.denominator)]
        names = [column for part in parts for column in part]
        return tuple(dict.fromkeys([*names, self.left_out] if self.left_out else names))

    @property
    def largest(self) -> float:
        """The most that it can be: 1 for a share, infinity for a distance."""
        return np.inf if self.lower_is_better else 1.0

    def score(self, terms: Floats) -> Floats:
        """Return the score (...) from the columns (...,K), in their order; NaN where there is nothing to score."""
        values = np.stack([self._ratio(terms, ratio) for ratio in self.ratios], axis=-1)
        if self.mean == "harmonic":
            with np.errstate(divide="ignore"):
                found = values.shape[-1] / (1 / values).sum(axis=-1)
            return np.where((values == 0).any(axis=-1), 0.0, found)
        known = ~np.isnan(values)
        return _quotient(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))

    def nothing_to_score(self, terms: Floats) -> NDArray[np.bool_]:
        """Say where (...) the columns (...,K) hold nothing, for most scores: neither truth nor prediction has it."""
        parts = [ratio.denominator for ratio in self.ratios] + ([{self.left_out: 1}] if self.left_out else [])
        return np.all([self._sum(terms, part) == 0 for part in parts], axis=0)

    def _ratio(self, terms: Floats, ratio: Ratio) -> Floats:
        return _quotient(self._sum(terms, ratio.numerator), self._sum(terms, ratio.denominator))

    def _sum(self, terms: Floats, part: Mapping[str, float]) -> Floats:
        return terms @ np.array([part.get(column, 0.0) for column in self.columns])


def _quotient(numerator: Floats, denominator: Any) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


@dataclass(frozen=True, eq=False)
class Region:
    """One class of one image or volume, as truth and prediction have it; axes (H,W), of a volume (D,H,W).

    Two are equal only if they are the same object, so that what several scores need of one is computed once.

    Attributes:
        truth: Where the truth has the class.
        predicted: Where the prediction has it.
        known: Where the truth is labelled; elsewhere neither of the others is set.
        spacing: Size of a pixel along each axis, in the data's unit of length (1 where that is the pixel).
        instances: Which object of the class each pixel belongs to, 0 for none, where the data set tells it; None for
            connected components.
    """

    truth: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    known: NDArray[np.bool_]
    spacing: tuple[float, ...]
    instances: NDArray[np.integer[Any]] | None = None

    @property
    def diagonal(self) -> float:
        """The largest distance of two pixels of the image or volume, in the unit of ``spacing``."""
        sides = (np.array(self.truth.shape) - 1) * self.spacing
        return float(np.sqrt((sides**2).sum()))


class ScoreColumns(Protocol):
    """What fills columns, image by image, in the final evaluation, and declares the scores that follow from them.

    One is a class of its own in one file, which a configuration names in ``scores`` by ``_target_``, or which a data
    module brings along.

    Attributes:
        dimensions: Of what it can score: 2 for images, 3 for volumes.
    """

    dimensions: ClassVar[tuple[int, ...]]

    def declare(self, unit: str) -> Sequence[ColumnScore]:
        """Return the scores.

        Args:
            unit: The data's unit of length, ``px`` or ``mm``.
        """

    def scored_classes(self, data: Any) -> Sequence[str]:
        """Return the names of the classes of a data module that are scored; none where it has nothing to score."""

    def terms(self, region: Region) -> Mapping[str, float]:
        """Return the value of every column of the declared scores for one class of an image: finite, 0 or more.

        All are 0 where neither truth nor prediction has the class.
        """


_AREAS = ("object_area_truth", "object_area_predicted")


def _both_sides(name: str) -> tuple[Ratio, ...]:
    """Return the area-weighted means over truth and over predicted objects."""
    return tuple(
        Ratio({f"object_{name}_{side}": 1}, {area: 1})
        for side, area in zip(("truth", "predicted"), _AREAS, strict=True)
    )


COLUMN_SCORES: dict[str, ColumnScore] = {
    score.name: score
    for score in (
        ColumnScore(
            "object_f1",
            "object F1",
            (Ratio({"object_tp": 2}, {"object_tp": 2, "object_fp": 1, "object_fn": 1}),),
        ),
        ColumnScore("object_dice", "object Dice", _both_sides("dice")),
        ColumnScore(
            "object_hausdorff",
            "object Hausdorff distance",
            _both_sides("hausdorff"),
            lower_is_better=True,
            unit="px",
        ),
        ColumnScore("seg", "SEG", (Ratio({"seg_sum": 1}, {"seg_cells": 1}),)),
    )
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
