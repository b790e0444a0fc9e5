"""Segmentations: true and false positives and negatives of every image and class, checked, and the scores of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from segbench.runs.rows import Rows
from segbench.runs.split_scores import About, ConfidentError, Overview, TaskRecord, in_order, joined_order
from segbench.scores.additive import Additive, mean_over_images, pooled
from segbench.scores.arithmetic import Floats, mean_present
from segbench.scores.columns import ColumnScore, shared_scores
from segbench.scores.constant import agreement, constant_counts
from segbench.scores.convention import Convention
from segbench.scores.derive import OVERALL_SCORES, SCORES, TermScore, class_scores, mean_score, overall_score, pools
from segbench.scores.score import Metric, Score, empty_rules
from segbench.words import decimal

COUNTS = ["tp", "fp", "fn", "tn"]
COLUMNS = ["split", "id", "group", "height", "width", "class_index", "class_name", *COUNTS]
CountsT = TypeVar("CountsT", bound="SplitCounts")
PRINTED = ("dice", "iou", "sensitivity", "specificity", "precision")  # when a run ends


def read_counts(table: Rows, about: About) -> dict[str, SplitCounts]:
    """Take the rows of a segmentation's scores file apart by split: see :func:`read_as`."""
    return read_as(SplitCounts, table, about)


def read_as(kind: type[CountsT], table: Rows, about: About) -> dict[str, CountsT]:
    """Take the rows of a scores file of counts apart by split.

    Args:
        kind: :class:`SplitCounts`, or what another task makes of it.
        table: The rows.
        about: What the file says of itself.

    Raises:
        ValueError: If columns are missing, counts are negative or not whole numbers, an image lacks a class or has it
            twice, the classes of an image do not count the same number of pixels, the confusion of classes does not
            add up to the counts, or a declared score lacks columns or has them negative or not finite.
    """
    missing = [column for column in COLUMNS if column not in table]
    missing += [column for score in about.scores for column in score.columns if column not in table]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    return {name: _split(kind, name, part, about) for name, part in table.splits()} if len(table) else {}


def choose_convention(wanted: Convention | None, splits: Sequence[Any]) -> Convention:
    """Return the convention that is asked for; it tells whether any of the splits has a background."""
    return (wanted or Convention()).of(not splits or any(split.background for split in splits))


RECORD = TaskRecord(
    name="segmentation",
    read=read_counts,
    convention=choose_convention,
    scores={**OVERALL_SCORES, **SCORES},
    metrics=("dice", "iou", "pixel_accuracy"),
    class_score="dice",
    bars={"dice": "Dice", "iou": "IoU"},
)


@dataclass(frozen=True, eq=False)
class SplitCounts:
    """The counts of one split.

    Attributes:
        ids: The N image ids, sorted.
        groups: The N groups (car, patient, ...) of the images.
        sizes: The distinct image sizes (height, width), sorted.
        class_names: The C class names, background first if there is one.
        counts: int64 (N,C,4): tp, fp, fn, tn.
        confusion: int64 (C,C): pixels of all images together, rows the truth, columns the prediction; None where the
            run did not store it. Of two classes it follows from the counts.
        columns: Further columns that scores are made of, float64 (N,C) each, NaN for classes that have no such score.
        background: Whether class 0 is a background.
        declared: The scores of the further columns.
    """

    record: ClassVar[TaskRecord] = RECORD
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    class_names: tuple[str, ...]
    counts: NDArray[np.int64]
    confusion: NDArray[np.int64] | None = None
    columns: Mapping[str, Floats] = field(default_factory=dict)
    background: bool = True
    declared: tuple[ColumnScore, ...] = ()

    @cached_property
    def scores(self) -> Mapping[str, Score]:
        """Every score that these images have, by name."""
        return {**self.record.scores, **{score.name: score for score in self.declared}}

    @property
    def right(self) -> None:
        """None: an image can be more or less right."""

    def scored_classes(self, score: Score) -> list[str]:
        """Return the classes that have the score: all, or of further columns those that have values."""
        if score.name in OVERALL_SCORES:
            return []
        if score.name in SCORES:
            return list(self.class_names)
        known = ~np.isnan(self._terms(score.name)).any(axis=(0, 2))
        return [label for label, scored in zip(self.class_names, known, strict=True) if scored]

    def bound(self, score: Score) -> float:
        """Return the most that a score can be in these images: of a distance the longest diagonal, if they have it."""
        most = next((declared.most for declared in self.declared if declared.name == score.name), "")
        return float(np.nanmax(self.columns[most])) if most else score.largest

    @property
    def shown_scores(self) -> tuple[str, ...]:
        """The usual scores, the benchmark's for data without a background, and all that are declared."""
        benchmark = () if self.background or "miou" not in self.scores else ("miou",)
        return (*self.record.metrics, *benchmark, *(score.name for score in self.declared))

    @property
    def shown_classes(self) -> tuple[str, ...]:
        """All classes but a background."""
        return self.class_names[int(self.background) :]

    def additive(self, metric: Metric, convention: Convention) -> Additive:
        """Return what adds up over images, and the score of such sums.

        Args:
            metric: One of these scores, of a class or not.
            convention: Reduction over images, background, empty classes.
        """
        name, convention = metric.score.name, convention.of(self.background)
        if name in OVERALL_SCORES:
            if pools(name, convention):
                return Additive(self.counts, lambda sums: overall_score(sums, name, convention))
            return mean_over_images(overall_score(self.counts, name, convention)[:, None])
        score, terms = self._of_classes(name), self._scored_terms(metric, convention)
        if pools(name, convention):
            return pooled(terms, lambda sums: score.filled(sums, convention))
        return mean_over_images(score.filled(terms, convention))

    def image_scores(self, metric: Metric, convention: Convention) -> Floats:
        """Return the score of every image, float64 (N,), the mean over its classes; NaN where it has none."""
        name, convention = metric.score.name, convention.of(self.background)
        if name in OVERALL_SCORES:
            return overall_score(self.counts, name, convention)
        scores = self._of_classes(name).filled(self._scored_terms(metric, convention), convention)
        return np.asarray(mean_present(scores, axis=1))

    def same_images(self, other: Any) -> bool:
        """Whether another run was scored on images of the same names, classes and truth."""
        if not isinstance(other, SplitCounts) or (self.ids, self.class_names) != (other.ids, other.class_names):
            return False
        # True positives and false negatives are the pixels of the class.
        return np.array_equal(self.counts[..., ::2].sum(axis=2), other.counts[..., ::2].sum(axis=2))

    def same(self, other: Any, columns: bool = True) -> bool:
        """Whether another run has equal counts, and where asked equal columns of those that both have."""
        if not (isinstance(other, SplitCounts) and np.array_equal(self.counts, other.counts)):
            return False
        both = self.columns.keys() & other.columns.keys() if columns else ()
        return all(np.array_equal(self.columns[name], other.columns[name], equal_nan=True) for name in both)

    def constants(self) -> dict[str, SplitCounts]:
        """Return what networks would have made of them that wrongly predict one thing everywhere, by its name."""
        predicted = constant_counts(self.counts, self.class_names, self.record.exclusive)
        return {name: replace(self, counts=part, columns={}, declared=()) for name, part in predicted.items()}

    @property
    def agreement(self) -> float:
        """The agreement beyond chance in all classes but a background."""
        return agreement(self.counts[:, int(self.background) :].sum(axis=0))

    def joined(self, others: Sequence[SplitCounts]) -> SplitCounts:
        """Return these images and those of other runs as one split, with the scores that all of them have.

        Raises:
            ValueError: If an image is in two of them, or their classes differ.
        """
        parts = [self, *others]
        order = joined_order(parts)
        declared = shared_scores([part.declared for part in parts])
        columns = dict.fromkeys(column for score in declared for column in score.columns)
        confusions = [part.confusion for part in parts if part.confusion is not None]
        return replace(
            self,
            ids=in_order(order, [part.ids for part in parts]),
            groups=in_order(order, [part.groups for part in parts]),
            sizes=tuple(sorted({size for part in parts for size in part.sizes})),
            counts=np.concatenate([part.counts for part in parts])[order],
            confusion=np.sum(confusions, axis=0) if len(confusions) == len(parts) else None,
            columns={column: np.concatenate([part.columns[column] for part in parts])[order] for column in columns},
            declared=declared,
        )

    def confident_errors(self, most: int) -> list[ConfidentError]:
        """Return nothing: no image is wrong as a whole."""
        return []

    def overview(self) -> Overview:
        """Return the scores of the classes and what all of them have together."""
        convention = Convention().of(self.background)
        per_class = {name: class_scores(self.counts, name, convention) for name in PRINTED}
        labels = list(enumerate(self.class_names))[convention.first :]
        classes = [(label, tuple(decimal(per_class[name][index]) for name in PRINTED)) for index, label in labels]
        together = {"pixel_accuracy": "pixel accuracy"} | ({} if self.background else {"miou": "pooled mIoU"})
        named = [
            f"{title} {decimal(mean_score(self.counts, name, convention))}"
            for name, title in together.items()
            if name in self.scores
        ]
        further = [
            f"{score.title} {decimal(mean_score(self._terms(score.name), score, convention))} {score.unit}".rstrip()
            for score in self.declared
        ]
        sizes = sorted(f"{width}x{height}" for height, width in self.sizes)
        size = sizes[0] if len(sizes) == 1 else f"{len(sizes)} sizes, {sizes[0]} for one,"
        rules = "; ".join([*named, convention.describe(), *empty_rules(self.declared), f"at {size} pixels"])
        means = tuple(decimal(mean_score(self.counts, name, convention)) for name in PRINTED)
        return Overview(PRINTED, tuple(classes), means, tuple(filter(None, (", ".join(further), rules))))

    def _of_classes(self, name: str) -> TermScore:
        """Return a score that classes have."""
        return next((score for score in self.declared if score.name == name), None) or SCORES[name]

    def _terms(self, name: str) -> NDArray[Any]:
        """Return what a score of classes is made of, (N,C,K): the counts, or its columns."""
        columns = next((score.columns for score in self.declared if score.name == name), None)
        return self.counts if columns is None else np.stack([self.columns[column] for column in columns], axis=-1)

    def _scored_terms(self, metric: Metric, convention: Convention) -> NDArray[Any]:
        """Return the terms of the class, or of those that enter the mean over classes."""
        terms = self._terms(metric.score.name)
        chosen = slice(convention.first, None) if metric.label is None else [self.class_names.index(metric.label)]
        return terms[:, chosen]


def _split(kind: type[CountsT], name: str, rows: Rows, about: About) -> CountsT:
    rows = rows.ordered("id", "class_index")
    indices, images = np.unique(rows.counts(["class_index"])), np.unique(rows.names("id").codes)
    classes = len(indices)
    whole = len(rows) == len(images) * classes
    if not whole or not (rows.counts(["class_index"]).reshape(len(images), -1) == indices).all():
        raise ValueError(f"{name}: not one row for each of {len(images)} images and {classes} classes")
    counts = rows.counts(COUNTS).reshape(len(images), classes, 4)
    if np.ptp(counts.sum(axis=2), axis=1).any():
        raise ValueError(f"{name}: the classes of an image count different numbers of pixels")
    ids, groups = (rows.names(column).every(classes) for column in ("id", "group"))
    sizes = sorted(set(map(tuple, rows.counts(["height", "width"])[::classes].tolist())))
    names = rows.names("class_name").every()[:classes]
    columns, declared = _further(name, rows, classes, about.scores)
    confusion = _confusion(name, rows, indices, counts) if kind.record.exclusive else None
    return kind(ids, groups, tuple(sizes), names, counts, confusion, columns, about.background, declared)


def _further(
    name: str, rows: Rows, classes: int, scores: Sequence[ColumnScore]
) -> tuple[dict[str, Floats], tuple[ColumnScore, ...]]:
    """Return the further columns of a split, (N,C) each, and the scores of them that it has."""
    columns, declared = dict[str, Floats](), list[ColumnScore]()
    for score in scores:
        own = {column: rows.floats(column).reshape(-1, classes) for column in score.columns}
        terms = np.stack(list(own.values()), axis=-1)
        # A class without the score has no value in any of its columns; a split without it, of volumes say, no class.
        scored = ~np.isnan(terms).all(axis=(0, 2))
        for column, values in own.items():
            if not np.isfinite(values[:, scored]).all() or (values[:, scored] < 0).any():
                raise ValueError(f"{name}: {column} must be finite numbers, 0 or more")
        if scored.any():
            columns |= own
            declared.append(score)
    return columns, tuple(declared)


def _confusion(
    name: str, rows: Rows, indices: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Return which class was taken for which (C,C), summed over the images, if it is known."""
    tp, fp, fn, _ = np.moveaxis(counts, 2, 0)
    if len(indices) == 2:
        return np.stack([[tp[:, 0], fn[:, 0]], [fn[:, 1], tp[:, 1]]]).sum(axis=2)
    columns = [f"predicted_{index}" for index in indices]
    if any(column not in rows for column in columns):
        return None
    # Not as counts, since a file may have them of some of its splits only.
    matrices = np.stack([rows.floats(column) for column in columns], axis=-1).reshape(*counts.shape[:2], len(columns))
    diagonal, of_truth, of_prediction = matrices.diagonal(axis1=1, axis2=2), matrices.sum(axis=2), matrices.sum(axis=1)
    # Fractions can add up to whole counts, and negative numbers to positive ones.
    whole = not ((matrices < 0) | (matrices % 1 != 0)).any()
    if not whole or (diagonal != tp).any() or (of_truth != tp + fn).any() or (of_prediction != tp + fp).any():
        raise ValueError(f"{name}: the confusion of classes does not add up to the counts")
    return np.asarray(matrices.sum(axis=0), np.int64)
