"""The scores file of a run: per image and class true/false positives/negatives, checked, and one score from them.

Of a classification it holds labels instead (:mod:`segbench.runs.split_labels`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from segbench.errors import ConfigError
from segbench.runs.split_labels import SplitLabels, derive_label_score, label_metric, read_labels, same_labels
from segbench.scores.columns import COLUMN_SCORES, SCORE_COLUMNS
from segbench.scores.derive import OVERALL_SCORES, SCORES, Convention, class_scores, mean_score

COUNTS = ["tp", "fp", "fn", "tn"]
# False in every row where class 0 is a class like the others; other files have no such column.
BACKGROUND = "background"
COLUMNS = ["split", "id", "group", "height", "width", "class_index", "class_name", *COUNTS]


@dataclass(frozen=True)
class SplitCounts:
    """The counts of one split.

    Attributes:
        task: What such a run does.
        ids: The N image ids, sorted.
        groups: The N groups (car, patient, ...) of the images.
        sizes: The distinct image sizes (height, width), sorted.
        class_names: The C class names, background first if there is one.
        counts: int64 (N, C, 4): tp, fp, fn, tn.
        confusion: int64 (C, C): pixels of all images together, rows the truth, columns the prediction; None where the
            run did not store it. Of two classes it follows from the counts.
        columns: Further columns that scores are made of, float64 (N, C) each, NaN for the background and for other
            classes that are not made of objects (:mod:`segbench.scores.columns`); none for data without objects.
        background: Whether class 0 is a background; runs that do not say have one.
    """

    task: ClassVar[str] = "segmentation"
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    class_names: tuple[str, ...]
    counts: np.ndarray
    confusion: np.ndarray | None = None
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    background: bool = True

    def has(self, name: str) -> bool:
        """Say whether a key of ``COLUMN_SCORES`` can be derived."""
        return all(column in self.columns for column in COLUMN_SCORES[name].columns)

    def scored_classes(self, name: str) -> list[tuple[int, str]]:
        """Return index and name of the classes that can have a score: all, or of columns those that have values."""
        classes = list(enumerate(self.class_names))
        if name not in COLUMN_SCORES:
            return classes
        # A background has no objects, and neither has a class that only parts others.
        stored = [self.columns[column] for column in COLUMN_SCORES[name].columns if column in self.columns]
        return [(i, label) for i, label in classes if not any(np.isnan(values[:, i]).all() for values in stored)]

    def values(self, name: str) -> np.ndarray:
        """Return what a score is made of, (N, C, K): the counts, or the columns it names.

        Args:
            name: One of ``OVERALL_SCORES``, or a key of ``SCORES`` or ``COLUMN_SCORES``.

        Raises:
            ConfigError: If the run has not stored these columns.
        """
        if name not in COLUMN_SCORES:
            return self.counts
        wanted = COLUMN_SCORES[name].columns
        if missing := [column for column in wanted if column not in self.columns]:
            raise ConfigError(
                f"comparison.metric: no {name}, as a run's scores have no column {missing[0]}; only data whose images"
                " are scored object by object has (glas, cells), and only runs trained since there is this score"
            )
        return np.stack([self.columns[column] for column in wanted], axis=-1)


# What a split of a run was scored by.
SplitScores = SplitCounts | SplitLabels


def read_counts(path: Path) -> dict[str, SplitCounts] | dict[str, SplitLabels]:
    """Read ``scores.parquet``.

    Returns:
        Split name to its counts, or to its labels for a classification; empty for a final model that left no labelled
        image to score.

    Raises:
        OSError: If it cannot be read.
        ValueError: If columns are missing, counts are negative or not whole numbers, an image lacks a class or has it
            twice, the classes of an image do not count the same number of pixels, or the confusion of classes does not
            add up to the counts, or further columns are negative or not finite; of labels see
            :func:`segbench.runs.split_labels.read_labels`.
    """
    table = pd.read_parquet(path)
    if "truth" in table:
        return read_labels(table)
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    numbers = table[["height", "width", "class_index", *COUNTS]]
    if table.empty:
        return {}
    if not all(pd.api.types.is_integer_dtype(kind) for kind in numbers.dtypes) or (numbers < 0).to_numpy().any():
        raise ValueError("counts must be whole numbers, 0 or more")
    return {str(name): _split(str(name), part) for name, part in table.groupby("split", sort=False)}


def derive(counts: SplitScores, metric: str, convention: Convention) -> float:
    """Derive one score from counts.

    Args:
        counts: The counts (or labels) of one split of one run.
        metric: One of :data:`segbench.scores.derive.OVERALL_SCORES`, a name of :data:`segbench.scores.derive.SCORES` or
            :data:`segbench.scores.columns.COLUMN_SCORES`, or ``<name>_<class>``; of labels see
            :func:`segbench.runs.split_labels.derive_label_score`.
        convention: Reduction over images, background, empty classes.

    Raises:
        ConfigError: If there is no such metric for these classes.
    """
    if isinstance(counts, SplitLabels):
        return derive_label_score(counts, metric)
    convention = convention.of(counts.background)
    name, index = scored_class(counts, metric)
    if index is None:
        return float(mean_score(counts.values(name), name, convention))
    return float(class_scores(counts.values(name), name, convention)[index])


def scored_class(counts: SplitScores, metric: str) -> tuple[str, int | None]:
    """Return a metric's name in ``SCORES`` or ``COLUMN_SCORES`` and the class it is of; None for their mean.

    One of ``OVERALL_SCORES`` is of no class either.

    Of labels see :func:`segbench.runs.split_labels.label_metric`.

    Raises:
        ConfigError: If there is no such metric for these classes.
    """
    if isinstance(counts, SplitLabels):
        return label_metric(counts, metric)
    names = (*SCORES, *COLUMN_SCORES)
    if metric in names or metric in OVERALL_SCORES:
        return metric, None
    for name in names:
        for index, label in counts.scored_classes(name):
            if metric in (f"{name}_{label}", f"{name}_{label.replace(' ', '_')}"):
                return name, index
    raise ConfigError(
        f"comparison.metric: no score {metric!r}; there are {', '.join((*OVERALL_SCORES, *names))}, <score>_<class>"
    )


def same_scores(first: SplitScores, second: SplitScores) -> bool:
    """Whether two runs have equal counts, or equal labels."""
    if isinstance(first, SplitLabels) or isinstance(second, SplitLabels):
        return isinstance(first, SplitLabels) and isinstance(second, SplitLabels) and same_labels(first, second)
    return np.array_equal(first.counts, second.counts)


def _split(name: str, table: pd.DataFrame) -> SplitCounts:
    table = table.astype({"id": str, "group": str, "class_name": str}).sort_values(["id", "class_index"])
    classes = table.drop_duplicates("class_index").sort_values("class_index")
    indices, ids = classes["class_index"].to_numpy(), table["id"].drop_duplicates()
    whole = len(table) == len(ids) * len(indices)
    if not whole or not (table["class_index"].to_numpy().reshape(len(ids), -1) == indices).all():
        raise ValueError(f"{name}: not one row for each of {len(ids)} images and {len(indices)} classes")
    counts = table[COUNTS].to_numpy(np.int64).reshape(len(ids), len(indices), 4)
    pixels = counts.sum(axis=2)
    if (pixels != pixels[:, :1]).any():
        raise ValueError(f"{name}: the classes of an image count different numbers of pixels")
    images = table.drop_duplicates("id")
    sizes = sorted({(int(height), int(width)) for height, width in images[["height", "width"]].to_numpy()})
    names = tuple(classes["class_name"])
    confusion = _confusion(name, table, indices, counts)
    columns = _columns(name, table, len(indices))
    background = bool(table[BACKGROUND].all()) if BACKGROUND in table else True
    groups = tuple(images["group"])
    return SplitCounts(tuple(ids), groups, tuple(sizes), names, counts, confusion, columns, background)


def _columns(name: str, table: pd.DataFrame, classes: int) -> dict[str, np.ndarray]:
    """Return the further columns that a run has stored, (N, C) each."""
    found = {
        column: table[column].to_numpy(np.float64).reshape(-1, classes) for column in SCORE_COLUMNS if column in table
    }
    for score in COLUMN_SCORES.values():
        stored = [column for column in score.columns if column in found]
        # A class without the score has no value in any of its columns.
        without = np.all([np.isnan(found[column]).all(axis=0) for column in stored], axis=0)
        for column in stored:
            scored = found[column][:, ~without]
            if not np.isfinite(scored).all() or (scored < 0).any():
                raise ValueError(f"{name}: {column} must be finite numbers, 0 or more")
    # A split that was not scored by a column, of whole volumes say, stands in a table with one that was.
    return {column: values for column, values in found.items() if not np.isnan(values).all()}


def _confusion(name: str, table: pd.DataFrame, indices: np.ndarray, counts: np.ndarray) -> np.ndarray | None:
    """Return which class was taken for which (C, C), summed over the images, if it is known."""
    tp, fp, fn, _ = np.moveaxis(counts, 2, 0)
    if len(indices) == 2:
        return np.stack([[tp[:, 0], fn[:, 0]], [fn[:, 1], tp[:, 1]]]).sum(axis=2)
    columns = [f"predicted_{index}" for index in indices]
    if any(column not in table for column in columns):
        return None
    matrices = table[columns].to_numpy(np.int64).reshape(*counts.shape[:2], len(columns))
    diagonal = matrices.diagonal(axis1=1, axis2=2)
    rows, sums = matrices.sum(axis=2), matrices.sum(axis=1)
    if (diagonal != tp).any() or (rows != tp + fn).any() or (sums != tp + fp).any():
        raise ValueError(f"{name}: the confusion of classes does not add up to the counts")
    return matrices.sum(axis=0)
