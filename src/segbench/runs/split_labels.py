"""The labels file of a classification run: truth and prediction of each image, checked, and one score from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from segbench.errors import ConfigError
from segbench.scores.derive import mean_present
from segbench.scores.labels import ACCURACY, CLASS_SCORES, confusion_counts, label_confusion

COLUMNS = ["split", "id", "group", "truth", "prediction", "probability"]


@dataclass(frozen=True)
class SplitLabels:
    """What a classifier made of the images of one split.

    Attributes:
        task: What such a run does.
        ids: The N image ids, sorted.
        groups: The N groups (writer, patient, ...) of the images.
        class_names: The C class names.
        truth: Class indices, integers (N,).
        prediction: Class indices, integers (N,).
        probability: float32 (N,), of the prediction.
    """

    task: ClassVar[str] = "classification"
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    class_names: tuple[str, ...]
    truth: np.ndarray
    prediction: np.ndarray
    probability: np.ndarray

    @cached_property
    def confusion(self) -> np.ndarray:
        """Which class was taken for which in how many images, int64 (C,C): rows the truth."""
        return label_confusion(self.truth, self.prediction, len(self.class_names))

    @property
    def right(self) -> np.ndarray:
        """Which images were named right, bool (N,)."""
        return self.truth == self.prediction


def read_labels(table: pd.DataFrame) -> dict[str, SplitLabels]:
    """Take the rows of a classification's ``scores.parquet`` apart by split.

    Raises:
        ValueError: If columns are missing, an image has two rows, truth and prediction do not name the same classes,
            or a probability is none.
    """
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    if table.empty:
        return {}
    labels = table["truth"], table["prediction"]
    if any(not isinstance(column.dtype, pd.CategoricalDtype) for column in labels):
        raise ValueError("truth and prediction must be categories, all class names in their order")
    if list(labels[0].cat.categories) != list(labels[1].cat.categories):
        raise ValueError("truth and prediction do not name the same classes")
    if any(column.isna().any() for column in labels):
        raise ValueError("an image lacks its truth or its prediction")
    probability = table["probability"].to_numpy(np.float64)
    # Half a percent for sums in low precision.
    if not ((probability >= 0) & (probability <= 1.005)).all():
        raise ValueError("a probability is not between 0 and 1")
    table = table.assign(split=table["split"].astype(str))
    return {str(name): _split(str(name), part) for name, part in table.groupby("split", sort=False)}


def derive_label_score(labels: SplitLabels, metric: str) -> float:
    """Derive one score of a set of images; of classes neither there nor predicted there is none.

    Args:
        labels: The labels of one split of one run.
        metric: ``accuracy``, a name of :data:`segbench.scores.labels.CLASS_SCORES` (mean over classes), or
            ``<name>_<class>``.

    Raises:
        ConfigError: If there is no such metric for these classes.
    """
    name, index = label_metric(labels, metric)
    if name == ACCURACY:
        return float(labels.right.mean())
    values = CLASS_SCORES[name](confusion_counts(labels.confusion))
    return float(mean_present(values, axis=0) if index is None else values[index])


def label_metric(labels: SplitLabels, metric: str) -> tuple[str, int | None]:
    """Return a metric's name and the class it is of; None for accuracy and for the mean over classes.

    Raises:
        ConfigError: If there is no such metric for these classes.
    """
    if metric == ACCURACY or metric in CLASS_SCORES:
        return metric, None
    for name in CLASS_SCORES:
        for index, label in enumerate(labels.class_names):
            if metric in (f"{name}_{label}", f"{name}_{label.replace(' ', '_')}"):
                return name, index
    raise ConfigError(
        f"comparison.metric: no score {metric!r} of a classification; there are {ACCURACY}, {', '.join(CLASS_SCORES)},"
        " <score>_<class> (not of accuracy)"
    )


def same_labels(first: SplitLabels, second: SplitLabels) -> bool:
    """Whether two runs named the same images alike."""
    return first.ids == second.ids and bool(np.array_equal(first.prediction, second.prediction))


def _split(name: str, table: pd.DataFrame) -> SplitLabels:
    table = table.astype({"id": str, "group": str}).sort_values("id")
    if table["id"].duplicated().any():
        raise ValueError(f"{name}: not one row for each image")
    classes = tuple(map(str, table["truth"].cat.categories))
    kind: Any = np.uint8 if len(classes) <= 256 else np.int32
    return SplitLabels(
        tuple(table["id"]),
        tuple(table["group"]),
        classes,
        table["truth"].cat.codes.to_numpy().astype(kind),
        table["prediction"].cat.codes.to_numpy().astype(kind),
        table["probability"].to_numpy(np.float32),
    )
