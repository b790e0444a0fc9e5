"""Scores from counts. A convention can be changed without training or predicting again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError
from segbench.scores.columns import COLUMN_SCORES
from segbench.suggest import nearest

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
# What holds for the benchmark's score whatever the convention.
_MIOU = "mIoU: counts pooled over all images, a class empty in truth and prediction left out"


@dataclass(frozen=True)
class Convention:
    """How counts become one number; printed with every table.

    Attributes:
        reduction: ``per_image``: score of each image, then the mean over images. ``pooled``: counts added over
            all images, then one score.
        background: Whether class 0 enters the mean over classes.
        empty: What a class is worth in an image where the score's denominator is 0, which for Dice and IoU means
            that it is neither there nor predicted: left out (``nan``), 1 or 0.
        has_background: Whether the data has a background at all (:meth:`of`); where class 0 is one like the others, it
            enters every mean.

    Raises:
        ConfigError: For a choice that there is not, which would else be taken for another.
    """

    reduction: Literal["per_image", "pooled"] = "per_image"
    background: bool = False
    empty: Literal["nan", "one", "zero"] = "nan"
    has_background: bool = True

    def __post_init__(self) -> None:
        for name in ("reduction", "empty"):
            value, choices = getattr(self, name), get_args(get_type_hints(Convention)[name])
            if value not in choices:
                raise ConfigError(f"Convention({name}={value!r}): no such choice{nearest(str(value), choices)}")

    def of(self, has_background: bool) -> Self:
        """Return the same convention for data that has a background as class 0, or has none."""
        return self if has_background == self.has_background else replace(self, has_background=has_background)

    @property
    def first(self) -> int:
        """The first class that enters the mean over classes."""
        return 0 if self.background or not self.has_background else 1

    def describe(self, scores: Collection[str] = ()) -> str:
        """Return the convention in words.

        Args:
            scores: Names of the scores that it stands beside: one that it does not hold for is told apart.
        """
        reduction = "mean over images" if self.reduction == "per_image" else "counts pooled over images"
        classes = f"classes {'with' if self.background else 'without'} background"
        classes = classes if self.has_background else "all classes (there is no background)"
        words = {"nan": "left out", "one": "scored 1 (a distance: 0)", "zero": "scored 0 (a distance: not at all)"}
        return (
            f"{reduction}, then over {classes}; "
            f"a class empty in truth and prediction is {words[self.empty]}; label 255 counts nowhere"
        ) + ("" if "miou" not in scores or self._is_benchmark else f"; {_MIOU}")

    @property
    def _is_benchmark(self) -> bool:
        """Whether what the convention says of pooling and of empty classes holds for ``miou`` too."""
        return self.reduction == "pooled" and self.empty == "nan"


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """Return numerator / denominator, float64 (...); NaN, without a warning, where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


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


SCORES: dict[str, Callable[[Counts], Floats]] = {
    function.__name__: function for function in (dice, iou, sensitivity, specificity, precision, accuracy)
}
MICRO = "micro_"
# Of all classes together: no class has one of its own.
OVERALL_SCORES = ("pixel_accuracy", "miou", *(f"{MICRO}{name}" for name in SCORES))


def score_values(values: Any, name: str, convention: Convention) -> Floats:
    """Return one score of counts or columns, (...,K) to (...), with what the convention says of nothing to score.

    Args:
        values: Counts (...,4) for a key of :data:`SCORES`, or the columns of a key of
            :data:`segbench.scores.columns.COLUMN_SCORES`, in their order.
        name: The key.
        convention: How.
    """
    if name in SCORES:
        return fill_empty(SCORES[name](values), convention)
    score = COLUMN_SCORES[name]
    found = score.score(values)
    # Of a distance 0 is the best and nothing the worst: what is to be worth nothing is left out.
    skipped = score.lower_is_better and convention.empty == "zero"
    filled = found if skipped else fill_empty(found, convention, 0.0 if score.lower_is_better else 1.0)
    # A class that is not scored (NaN) or left out on purpose is not one that has nothing: it stays without a score.
    return np.where(score.nothing_to_score(values), filled, found)


def first_class(name: str, convention: Convention) -> int:
    """Return the first class of the mean over classes; classes without further columns, as a background, drop out."""
    return 0 if name in COLUMN_SCORES else convention.first


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


def class_scores(counts: NDArray[Any], name: str, convention: Convention | None = None) -> Floats:
    """Return the score of each class over a set of images.

    Args:
        counts: int64 (N,C,4), or for a score of further columns those, float64 (N,C,K).
        name: A key of :data:`SCORES` or of :data:`segbench.scores.columns.COLUMN_SCORES`.
        convention: How; its ``background`` plays no role here.

    Returns:
        float64 (C,); NaN for a class that no image scores.
    """
    convention = convention or Convention()
    if convention.reduction == "pooled":
        return score_values(counts.sum(axis=0), name, convention)
    return mean_present(score_values(counts, name, convention), axis=0)


def image_scores(counts: NDArray[Any], name: str, convention: Convention | None = None) -> Floats:
    """Return the score of each image, the mean over its classes.

    Args:
        counts: As for :func:`class_scores`.
        name: As for :func:`class_scores`, or one of :data:`OVERALL_SCORES`.
        convention: How.

    Returns:
        float64 (N,); NaN for an image without any class to score.
    """
    convention = convention or Convention()
    if name in OVERALL_SCORES:
        return overall_score(counts, name, convention)
    return mean_present(score_values(counts[:, first_class(name, convention) :], name, convention), axis=1)


def mean_score(counts: NDArray[Any], name: str, convention: Convention | None = None) -> float:
    """Return one number for a set of images: the mean over classes of :func:`class_scores`.

    Args:
        counts: As for :func:`class_scores`.
        name: As for :func:`class_scores`, or one of :data:`OVERALL_SCORES` (which have no classes).
        convention: How.
    """
    convention = convention or Convention()
    if name in OVERALL_SCORES:
        if pools(name, convention):
            return float(overall_score(counts.sum(axis=0), name, convention))
        return float(mean_present(overall_score(counts, name, convention), axis=0))
    return float(mean_present(class_scores(counts, name, convention)[first_class(name, convention) :], axis=0))


def fill_empty(values: Floats, convention: Convention, best: float = 1.0) -> Floats:
    """Return scores (...) with what the convention says a class is worth where there is nothing to score (NaN).

    Args:
        values: The scores.
        convention: How.
        best: What ``empty: one`` stands for: the value of a perfect prediction.
    """
    if convention.empty == "nan":
        return values
    return np.where(np.isnan(values), best if convention.empty == "one" else 0.0, values)


def mean_present(values: Floats, axis: int) -> Any:
    """Return the mean along an axis over the values that are not NaN; NaN, without a warning, if none is."""
    present = ~np.isnan(values)
    return ratio(np.where(present, values, 0.0).sum(axis=axis), present.sum(axis=axis))
