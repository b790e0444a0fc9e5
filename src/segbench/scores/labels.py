"""Scores of classified images, from the same counts as those of pixels: an image is one pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segbench.scores.derive import Convention, class_scores, mean_score

# Of a set of images as a whole; a class that is neither there nor predicted is left out of the mean.
LABEL_CONVENTION = Convention(reduction="pooled", background=True)


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


def label_scores(
    truth: NDArray[np.int64], prediction: NDArray[np.int64], class_names: Sequence[str]
) -> dict[str, float]:
    """Return ``accuracy`` (share of images named right), ``f1`` (mean over classes) and each class's ``f1_<name>``.

    F1 is the Dice coefficient of the counts of all images: 2 TP / (2 TP + FP + FN).

    Args:
        truth: Class indices (N,).
        prediction: Class indices (N,).
        class_names: The C classes.
    """
    counts = label_counts(truth, prediction, len(class_names)).sum(axis=0, keepdims=True)
    scores = {"accuracy": float(np.mean(truth == prediction)) if len(truth) else float("nan")}
    scores["f1"] = float(mean_score(counts, "dice", LABEL_CONVENTION))
    each = class_scores(counts, "dice", LABEL_CONVENTION)
    return scores | {f"f1_{name}": float(value) for name, value in zip(class_names, each, strict=True)}
