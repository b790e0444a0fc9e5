"""Scores of classified images, from the same counts as those of pixels: an image is one pixel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.scores.convention import Convention
from segbench.scores.derive import SCORES, CountScore, class_scores, dice, mean_score
from segbench.scores.score import Share


@dataclass(frozen=True)
class LabelConvention(Convention):
    """How labels become scores; there is one way only, so nothing of it can be chosen."""

    def describe(self, scores: Collection[str] = ()) -> str:
        """Return the convention in words."""
        return (
            "accuracy is the share of images classified correctly; F1, sensitivity and precision are of each class,"
            " its counts pooled over images, then the mean over classes; a class neither there nor predicted is left"
            " out"
        )


# Of a set of images as a whole; a class that is neither there nor predicted is left out of the mean.
LABEL_CONVENTION = LabelConvention(reduction="pooled", background=True)
# Of all classes together: no class has one of its own.
ACCURACY = Share("accuracy", "accuracy")
# Of one class against the others; F1 is what Dice is called here.
CLASS_SCORES: dict[str, CountScore] = {
    score.name: score for score in (CountScore("f1", "F1", dice), SCORES["sensitivity"], SCORES["precision"])
}


def label_counts(truth: NDArray[np.int64], prediction: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """Return the counts of each image, one of which is 1 for each class.

    Args:
        truth: Class indices (N,).
        prediction: Class indices (N,).
        num_classes: C.

    Returns:
        int64 (N,C,4): true positives, false positives, false negatives, true negatives.
    """
    classes = np.arange(num_classes)
    there, said = truth[:, None] == classes, prediction[:, None] == classes
    return np.stack((there & said, ~there & said, there & ~said, ~there & ~said), axis=-1).astype(np.int64)


def label_confusion(truth: NDArray[np.int64], prediction: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """Return how many images of each class were taken for which, int64 (C,C): rows the truth.

    Args:
        truth: Class indices (N,).
        prediction: Class indices (N,).
        num_classes: C.
    """
    cells = truth.astype(np.int64) * num_classes + prediction
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def confusion_counts(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each class's true and false positives and negatives, (C,C) to (C,4)."""
    tp, predicted, there = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    return np.stack((tp, predicted - tp, there - tp, confusion.sum() - predicted - there + tp), axis=-1)


def label_scores(
    truth: NDArray[np.int64], prediction: NDArray[np.int64], class_names: Sequence[str]
) -> dict[str, float]:
    """Return ``accuracy`` (share classified correctly), ``f1`` (mean over classes) and each class's ``f1_<name>``.

    F1 is the Dice coefficient of the counts of all images: 2 TP / (2 TP + FP + FN).

    Args:
        truth: Class indices (N,).
        prediction: Class indices (N,).
        class_names: The C classes.
    """
    counts = confusion_counts(label_confusion(truth, prediction, len(class_names)))[None]
    scores = {ACCURACY.name: float(np.mean(truth == prediction)) if len(truth) else float("nan")}
    scores["f1"] = float(mean_score(counts, "dice", LABEL_CONVENTION))
    each = class_scores(counts, "dice", LABEL_CONVENTION)
    return scores | {f"f1_{name}": float(value) for name, value in zip(class_names, each, strict=True)}


def confident_mistakes(
    truth: NDArray[np.int64], prediction: NDArray[np.int64], probability: NDArray[np.float32], count: int
) -> NDArray[np.int64]:
    """Return the indices of the misclassified images, the most confident first, at most ``count`` of them.

    Args:
        truth: Class indices (N,).
        prediction: Class indices (N,).
        probability: Of the prediction (N,).
        count: How many to return.
    """
    wrong = np.flatnonzero(truth != prediction)
    # Stable, so that equally confident ones keep their order and a picture made again is the same.
    return wrong[np.argsort(-probability[wrong].astype(np.float64), kind="stable")][:count]
