"""Scores of an image from further columns beside the counts of pixels: objects found, distances between surfaces.

A column holds what adds up over images, as counts do, so each score follows from sums: of one image's columns the
image's score, of their sums over all images the pooled one. What a score is made of is declared, not programmed
(:class:`ColumnScore`), and the declaration is stored with the run's scores: whatever reads, checks, averages and
compares them needs nothing else, and runs no code to do so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.scores.arithmetic import Floats, mean_present, ratio
from segbench.scores.convention import Convention, fill_empty

# What a declaration may say; it may come from anywhere, and ends in tables, file names of columns and figures.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
LONGEST_TITLE, LONGEST_UNIT, LONGEST_RULE = 80, 16, 300
MOST_RATIOS, MOST_COLUMNS = 8, 32
# Beside ``predicted_<class>``; further columns of these names would overwrite what is there.
RESERVED = frozenset(("split", "id", "group", "height", "width", "class_index", "class_name", "tp", "fp", "fn", "tn"))


@dataclass(frozen=True)
class Ratio:
    """A quotient of two sums of columns, each column with a factor.

    Attributes:
        numerator: Column to factor, at least one; factors are finite.
        denominator: The same; factors are above 0.

    Raises:
        ValueError: Where it is not so.
    """

    numerator: Mapping[str, float]
    denominator: Mapping[str, float]

    def __post_init__(self) -> None:
        for part in (self.numerator, self.denominator):
            if not part or not all(_NAME.fullmatch(column) for column in part):
                raise ValueError(
                    f"a ratio of {', '.join(map(repr, part))[:80] or 'nothing'}: a column is a word in a-z, 0-9, _"
                )
            if not all(math.isfinite(factor) for factor in part.values()):
                raise ValueError("a factor of a column is not a finite number")
        if min(self.denominator.values()) <= 0:
            raise ValueError("a factor of a denominator is not above 0")


@dataclass(frozen=True)
class ColumnScore:
    """A score of one class from columns that add up over images.

    Attributes:
        name: What configurations and tables call it, ``object_f1`` say.
        title: What figures call it, ``object F1`` say; without its unit, which is written beside.
        ratios: What it is the mean of. Of a ratio whose denominator is 0 nothing is known: an arithmetic mean leaves it
            out; a harmonic one is 0 if another ratio is, whatever this one would be, else unknown too. Where all are
            unknown the score is NaN.
        mean: ``arithmetic``, or ``harmonic``, as the F1 score is of precision and recall; of one ratio both are it.
        lower_is_better: Whether it is a distance, 0 at best, rather than a share of 0 to 1.
        unit: Of a distance.
        empty: What a class that only truth or only prediction has scores, as a note to the convention.
        left_out: Column that counts the images whose class is left out on purpose, if there is such: of them the score
            is unknown, and not that of an image which has nothing to score.
        most: Column that holds the most that a distance can be in each image, if that is known: the image's diagonal.
            Scores that differ in it alone are equal, as it changes no value.

    Raises:
        ValueError: If it is not so, or longer than what tables and figures can hold.
    """

    name: str
    title: str
    ratios: tuple[Ratio, ...]
    mean: Literal["arithmetic", "harmonic"] = "arithmetic"
    lower_is_better: bool = False
    unit: str = ""
    empty: str = ""
    left_out: str = ""
    most: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.mean not in ("arithmetic", "harmonic"):
            raise ValueError(f"{self.name[:80]!r}: its mean is arithmetic or harmonic, not {self.mean[:80]!r}")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a score named {self.name[:80]!r}: a name is a word in a-z, 0-9, _")
        texts = ((self.title, LONGEST_TITLE), (self.unit, LONGEST_UNIT), (self.empty, LONGEST_RULE))
        if not self.title or not all(len(text) <= longest and text.isprintable() for text, longest in texts):
            raise ValueError(f"{self.name}: title, unit and empty must be one printable line, and short")
        for key, column in (("left_out", self.left_out), ("most", self.most)):
            if column and not _NAME.fullmatch(column):
                raise ValueError(f"{self.name}: {key}={column[:80]!r}: a column is a word in a-z, 0-9, _")
        if not 1 <= len(self.ratios) <= MOST_RATIOS or len(self.columns) > MOST_COLUMNS:
            raise ValueError(
                f"{self.name}: must be made of 1 to {MOST_RATIOS} ratios of at most {MOST_COLUMNS} columns"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the K columns that it is made of, each once."""
        parts = [part for quotient in self.ratios for part in (quotient.numerator, quotient.denominator)]
        names = [column for part in parts for column in part]
        return tuple(dict.fromkeys([*names, *filter(None, (self.left_out, self.most))]))

    @property
    def largest(self) -> float:
        """The most that it can be in any image: 1 for a share, infinity for a distance."""
        return np.inf if self.lower_is_better else 1.0

    def score(self, terms: Floats) -> Floats:
        """Return the score (...) from the columns (...,K), in their order; NaN where there is nothing to score."""
        values = np.stack([self._ratio(terms, part) for part in self.ratios], axis=-1)
        if self.mean == "harmonic":
            with np.errstate(divide="ignore"):
                found = values.shape[-1] / (1 / values).sum(axis=-1)
            return np.where((values == 0).any(axis=-1), 0.0, found)
        return np.asarray(mean_present(values, axis=-1))

    def filled(self, terms: NDArray[Any], convention: Convention) -> Floats:
        """Return the score (...) of columns (...,K), with what the convention says of nothing to score.

        A class that is not scored (NaN), or is left out on purpose, is not one that has nothing to score: it stays
        without a score.
        """
        found = self.score(terms)
        # Of a distance 0 is the best and nothing the worst: what is to be worth nothing is left out.
        skipped = self.lower_is_better and convention.empty == "zero"
        filled = found if skipped else fill_empty(found, convention, 0.0 if self.lower_is_better else 1.0)
        return np.where(self._nothing(terms), filled, found)

    def _nothing(self, terms: Floats) -> NDArray[np.bool_]:
        """Say where (...) the columns (...,K) hold nothing: every denominator is 0, and nothing is left out."""
        parts = [quotient.denominator for quotient in self.ratios] + ([{self.left_out: 1}] if self.left_out else [])
        return np.all([self._sum(terms, part) == 0 for part in parts], axis=0)

    def _ratio(self, terms: Floats, part: Ratio) -> Floats:
        return ratio(self._sum(terms, part.numerator), self._sum(terms, part.denominator))

    def _sum(self, terms: Floats, part: Mapping[str, float]) -> Floats:
        return terms @ np.array([part.get(column, 0.0) for column in self.columns])


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

    A score of single objects has an attribute ``of_objects = True``: where annotators drew the objects, it is left out
    on every other grid than theirs.
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


def reserved(columns: Iterable[str]) -> list[str]:
    """Return those of the names that columns of every scores file have: counts, places, confusions."""
    return [name for name in columns if name in RESERVED or re.fullmatch(r"predicted_\d+", name)]


def with_columns(scores: Iterable[ColumnScore], columns: Container[str]) -> tuple[ColumnScore, ...]:
    """Return the scores of which all columns are there."""
    return tuple(score for score in scores if all(column in columns for column in score.columns))


def shared_scores(parts: Sequence[Sequence[ColumnScore]]) -> tuple[ColumnScore, ...]:
    """Return the scores that all parts declare alike, with the column of their bound where all have it."""
    same = {score.name: [found for part in parts for found in part if found == score] for score in parts[0]}
    bounded = {name for name, found in same.items() if len({score.most for score in found}) == 1}
    return tuple(
        score if score.name in bounded else replace(score, most="")
        for score in parts[0]
        if len(same[score.name]) == len(parts)
    )
