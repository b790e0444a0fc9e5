"""Classifications: truth and prediction of each image, checked, and the scores of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError
from segbench.runs.rows import Rows
from segbench.runs.split_scores import About, ConfidentError, Overview, TaskRecord, derive, in_order, joined_order
from segbench.scores.additive import Additive, mean_over_images, pooled
from segbench.scores.arithmetic import Floats
from segbench.scores.constant import agreement
from segbench.scores.convention import Convention
from segbench.scores.labels import (
    ACCURACY,
    CLASS_SCORES,
    LABEL_CONVENTION,
    confident_mistakes,
    confusion_counts,
    label_confusion,
    label_counts,
)
from segbench.scores.score import Metric, Score
from segbench.words import decimal

COLUMNS = ["split", "id", "group", "truth", "prediction", "probability"]


def read_labels(table: Rows, about: About) -> dict[str, SplitLabels]:
    """Take the rows of a classification's scores file apart by split.

    Raises:
        ValueError: If columns are missing, an image has two rows, truth and prediction do not name the same classes, a
            probability is none, or scores of further columns are declared, which labels do not have.
    """
    if about.scores:
        raise ValueError(f"it declares {about.scores[0].name}, which no classification has")
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}")
    if not len(table):
        return {}
    truth, prediction = table.classes("truth"), table.classes("prediction")
    if truth.known != prediction.known:
        raise ValueError("truth and prediction do not name the same classes")
    if min(truth.codes.min(), prediction.codes.min()) < 0:
        raise ValueError("an image lacks its truth or its prediction")
    probability = table.floats("probability")
    # Half a percent for sums in low precision.
    if not ((probability >= 0) & (probability <= 1.005)).all():
        raise ValueError("a probability is not between 0 and 1")
    return {name: _split(name, part) for name, part in table.splits()}


def only_convention(wanted: Convention | None, splits: Sequence[Any]) -> Convention:
    """Return the one convention of labels.

    Raises:
        ConfigError: If another is asked for.
    """
    if wanted not in (None, Convention(), LABEL_CONVENTION):
        raise ConfigError(
            "--reduction, --background and --empty are for segmentations and these are classifications; leave them out"
        )
    return LABEL_CONVENTION


RECORD = TaskRecord(
    name="classification",
    read=read_labels,
    convention=only_convention,
    scores={ACCURACY.name: ACCURACY, **CLASS_SCORES},
    metrics=(ACCURACY.name, "f1"),
    class_score="f1",
    counted="images",
    masks=None,
    many_classes=True,
    same="predictions",
    shortfalls={
        "sensitivity": "missed (share of the class's images)",
        "precision": "false (share of the images named so)",
    },
)


@dataclass(frozen=True, eq=False)
class SplitLabels:
    """What a classifier made of the images of one split.

    Attributes:
        ids: The N image ids, sorted.
        groups: The N groups (writer, patient, ...) of the images.
        class_names: The C class names.
        truth: Class indices, integers (N,).
        prediction: Class indices, integers (N,).
        probability: float32 (N,), of the prediction.
    """

    record: ClassVar[TaskRecord] = RECORD
    sizes: ClassVar[tuple[tuple[int, int], ...]] = ()
    scores: ClassVar[Mapping[str, Score]] = RECORD.scores
    background: ClassVar[bool] = False
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    class_names: tuple[str, ...]
    truth: NDArray[Any]
    prediction: NDArray[Any]
    probability: NDArray[np.float32]

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Which class was taken for which in how many images, int64 (C,C): rows the truth."""
        return label_confusion(self.truth, self.prediction, len(self.class_names))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which images are classified correctly, bool (N,)."""
        right: NDArray[np.bool_] = self.truth == self.prediction
        return right

    def scored_classes(self, score: Score) -> tuple[str, ...]:
        """Return all classes; accuracy has none of its own."""
        return self.class_names if score.name in CLASS_SCORES else ()

    def bound(self, score: Score) -> float:
        """Return the most that a score can be: 1, as all are shares."""
        return score.largest

    @property
    def shown_scores(self) -> tuple[str, ...]:
        """The usual scores."""
        return self.record.metrics

    @property
    def shown_classes(self) -> tuple[str, ...]:
        """All classes."""
        return self.class_names

    def additive(self, metric: Metric, convention: Convention) -> Additive:
        """Return what adds up over images, whether each is right or its counts, and the score of such sums.

        Of classes neither there nor predicted there is none.
        """
        if metric.score.name == ACCURACY.name:
            return mean_over_images(self.right[:, None].astype(np.float64))
        counts = label_counts(self.truth, self.prediction, len(self.class_names))
        chosen = counts if metric.label is None else counts[:, [self.class_names.index(metric.label)]]
        return pooled(chosen, CLASS_SCORES[metric.score.name])

    def image_scores(self, metric: Metric, convention: Convention) -> Floats:
        """Return whether each image is classified correctly, 1 or 0, whatever the metric."""
        return self.right.astype(np.float64)

    def same_images(self, other: Any) -> bool:
        """Whether another run was scored on images of the same names, classes and truth."""
        return (
            isinstance(other, SplitLabels)
            and (self.ids, self.class_names) == (other.ids, other.class_names)
            and np.array_equal(self.truth, other.truth)
        )

    def same(self, other: Any, columns: bool = True) -> bool:
        """Whether another run classified images of the same names alike."""
        return (
            isinstance(other, SplitLabels)
            and self.ids == other.ids
            and np.array_equal(self.prediction, other.prediction)
        )

    def constants(self) -> dict[str, SplitLabels]:
        """Return what classifiers would have made of these images that wrongly take all for one class, by its name."""
        everywhere = {name: np.full_like(self.prediction, index) for index, name in enumerate(self.class_names)}
        wrong = {name: prediction for name, prediction in everywhere.items() if (prediction != self.truth).any()}
        return {name: replace(self, prediction=prediction) for name, prediction in wrong.items()}

    @property
    def agreement(self) -> float:
        """The agreement beyond chance in all classes."""
        return agreement(confusion_counts(self.confusion))

    def joined(self, others: Sequence[SplitLabels]) -> SplitLabels:
        """Return these images and those of other runs as one split.

        Raises:
            ValueError: If an image is in two of them, or their classes differ.
        """
        parts = [self, *others]
        order = joined_order(parts)
        return SplitLabels(
            in_order(order, [part.ids for part in parts]),
            in_order(order, [part.groups for part in parts]),
            self.class_names,
            np.concatenate([part.truth for part in parts])[order],
            np.concatenate([part.prediction for part in parts])[order],
            np.concatenate([part.probability for part in parts])[order],
        )

    def confident_errors(self, most: int) -> list[ConfidentError]:
        """Return the misclassified images, the most confident first, at most ``most``."""
        chosen = confident_mistakes(self.truth, self.prediction, self.probability, most).tolist()
        names = self.class_names
        return [
            ConfidentError(i, names[self.truth[i]], names[self.prediction[i]], float(self.probability[i]))
            for i in chosen
        ]

    def overview(self) -> Overview:
        """Return the scores of the classes, the accuracy, and which class is never predicted."""
        there, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)

        def cells(suffix: str) -> tuple[str, ...]:
            return tuple(decimal(derive(self, f"{name}{suffix}", LABEL_CONVENTION)) for name in CLASS_SCORES)

        classes = [(label, (str(there[index]), *cells(f"_{label}"))) for index, label in enumerate(self.class_names)]
        right, images = int(self.right.sum()), len(self.ids)
        lines = [
            f"accuracy {decimal(right / images)} ({right} of {images} images correct); {LABEL_CONVENTION.describe()}"
        ]
        if never := [label for label, count in zip(self.class_names, predicted, strict=True) if not count]:
            lines.append(f"no image was taken for {', '.join(never)}: other seeds may do better")
        titles = tuple(score.title for score in CLASS_SCORES.values())
        return Overview(("images", *titles), tuple(classes), ("", *cells("")), tuple(lines))


def _split(name: str, rows: Rows) -> SplitLabels:
    rows = rows.taken(np.argsort(rows.names("id").codes, kind="stable"))
    ids = rows.names("id")
    if not np.diff(ids.codes).all():
        raise ValueError(f"{name}: not one row for each image")
    truth, prediction = rows.classes("truth"), rows.classes("prediction")
    kind: Any = np.uint8 if len(truth.known) <= 256 else np.int32
    return SplitLabels(
        ids.every(),
        rows.names("group").every(),
        truth.known,
        truth.codes.astype(kind),
        prediction.codes.astype(kind),
        rows.floats("probability").astype(np.float32),
    )
