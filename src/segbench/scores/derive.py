"""Scores from counts. A convention can be changed without training or predicting again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.scores.arithmetic import Floats, mean_present, ratio
from segbench.scores.convention import Convention, fill_empty
from segbench.scores.score import Score, Share

Counts = NDArray[np.int64]


class TermScore(Score, Protocol):
    """A score that each class has, from terms that add up over images: counts of pixels, or further columns."""

    def filled(self, terms: NDArray[Any], convention: Convention) -> Floats:
        """Return the score of terms, (...,K) to (...), with what the convention says of nothing to score."""


def _split(counts: Counts) -> tuple[Counts, Counts, Counts, Counts]:
    return counts[..., 0], counts[..., 1], counts[..., 2], counts[..., 3]


def dice(counts: Counts) -> Floats:
    """2 TP / (2 TP + FP + FN); NaN where the class is empty in both, 0 where in one."""
    tp, fp, fn, _ = _split(counts)
    return ratio(2 * tp, 2 * tp + fp + fn)


def iou(counts: Counts) -> Floats:
    """TP / (TP + FP + FN), the Jaccard index; NaN where the class is empty in both, 0 where in one."""
    tp, fp, fn, _ = _split(counts)
    return ratio(tp, tp + fp + fn)


def sensitivity(counts: Counts) -> Floats:
    """TP / (TP + FN), also recall; NaN where the truth has nothing of the class, as then nothing could be found."""
    tp, _, fn, _ = _split(counts)
    return ratio(tp, tp + fn)


def specificity(counts: Counts) -> Floats:
    """TN / (TN + FP); NaN where the truth has nothing but the class."""
    _, fp, _, tn = _split(counts)
    return ratio(tn, tn + fp)


def precision(counts: Counts) -> Floats:
    """TP / (TP + FP); NaN where nothing of the class is predicted, unless the truth has it: then 0."""
    tp, fp, fn, _ = _split(counts)
    return np.where((tp + fp == 0) & (fn > 0), 0.0, ratio(tp, tp + fp))


def accuracy(counts: Counts) -> Floats:
    """(TP + TN) / all counted pixels, one class against the rest."""
    tp, fp, fn, tn = _split(counts)
    return ratio(tp + tn, tp + fp + fn + tn)


@dataclass(frozen=True)
class CountScore(Share):
    """A share that follows from a class's counts.

    Attributes:
        of: Counts (...,4) to scores (...); NaN where there is nothing to score.
    """

    of: Callable[[Counts], Floats]

    def __call__(self, counts: Counts) -> Floats:
        """Return the score (...) of counts (...,4); NaN where there is nothing to score."""
        return self.of(counts)

    def filled(self, terms: NDArray[Any], convention: Convention) -> Floats:
        """Return the same, with what the convention says of nothing to score."""
        return fill_empty(self.of(terms), convention)


SCORES: dict[str, CountScore] = {
    score.name: score
    for score in (
        CountScore("dice", "Dice", dice),
        CountScore("iou", "IoU", iou),
        CountScore("sensitivity", "sensitivity", sensitivity),
        CountScore("specificity", "specificity", specificity),
        CountScore("precision", "precision", precision),
        CountScore("accuracy", "accuracy", accuracy),
    )
}
MICRO = "micro_"
# Of all classes together: no class has one of its own.
OVERALL_SCORES: dict[str, Share] = {
    score.name: score
    for score in (
        Share("pixel_accuracy", "pixel accuracy"),
        Share("miou", "mIoU"),
        *(Share(f"{MICRO}{name}", f"micro {score.title}") for name, score in SCORES.items()),
    )
}


def pixel_accuracy(counts: Counts) -> Floats:
    """Share of counted pixels whose class is right: (...,C,4) to (...).

    Args:
        counts: Counts of all classes, background included.
    """
    return ratio(counts[..., 0].sum(axis=-1), counts[..., 0, :].sum(axis=-1))


def overall_score(counts: Counts, name: str, convention: Convention) -> Floats:
    """Return a score of all classes together, (...,C,4) to (...).

    Args:
        counts: Counts of all classes, background included.
        name: One of :data:`OVERALL_SCORES`. ``miou`` is that of the Cityscapes benchmark where the counts are those of
            all images: each class's IoU, the mean over the classes that occur in truth or prediction (M. Cordts et al.,
            The Cityscapes Dataset, CVPR 2016). ``micro_<score>``: the counts of the classes are added, then scored;
            the other way, the mean over classes of each one's score, is called macro.
        convention: Which classes enter, and what is empty; its ``reduction`` plays no role here.
    """
    if name == "pixel_accuracy":
        return pixel_accuracy(counts)
    scored = counts[..., convention.first :, :]
    if name == "miou":
        return np.asarray(mean_present(iou(scored), axis=-1))
    return fill_empty(SCORES[name.removeprefix(MICRO)](scored.sum(axis=-2)), convention)


def pools(name: str, convention: Convention) -> bool:
    """Say whether counts are added over all images before they are scored; for ``miou`` they always are."""
    return convention.reduction == "pooled" or name == "miou"


def class_scores(counts: NDArray[Any], score: str | TermScore, convention: Convention | None = None) -> Floats:
    """Return the score of each class over a set of images.

    Args:
        counts: int64 (N,C,4), or the terms of another score, float64 (N,C,K).
        score: A key of :data:`SCORES`, or the score itself.
        convention: How; its ``background`` plays no role here.

    Returns:
        float64 (C,); NaN for a class that no image scores.
    """
    convention, found = convention or Convention(), _score(score)
    if convention.reduction == "pooled":
        return found.filled(counts.sum(axis=0), convention)
    return mean_present(found.filled(counts, convention), axis=0)


def image_scores(counts: NDArray[Any], score: str | TermScore, convention: Convention | None = None) -> Floats:
    """Return the score of each image, the mean over its classes.

    Args:
        counts: As for :func:`class_scores`.
        score: As for :func:`class_scores`, or a key of :data:`OVERALL_SCORES`.
        convention: How.

    Returns:
        float64 (N,); NaN for an image without any class to score.
    """
    convention = convention or Convention()
    if isinstance(score, str) and score in OVERALL_SCORES:
        return overall_score(counts, score, convention)
    return mean_present(_score(score).filled(counts[:, convention.first :], convention), axis=1)


def mean_score(counts: NDArray[Any], score: str | TermScore, convention: Convention | None = None) -> float:
    """Return one number for a set of images: the mean over classes of :func:`class_scores`.

    Args:
        counts: As for :func:`class_scores`.
        score: As for :func:`class_scores`, or a key of :data:`OVERALL_SCORES` (which have no classes).
        convention: How.
    """
    convention = convention or Convention()
    if isinstance(score, str) and score in OVERALL_SCORES:
        if pools(score, convention):
            return float(overall_score(counts.sum(axis=0), score, convention))
        return float(mean_present(overall_score(counts, score, convention), axis=0))
    return float(mean_present(class_scores(counts, score, convention)[convention.first :], axis=0))


def _score(score: str | TermScore) -> TermScore:
    return SCORES[score] if isinstance(score, str) else score
