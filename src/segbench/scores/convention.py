"""How counts become one number: over images, with or without background, and what an empty class is worth."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args, get_type_hints

import numpy as np

from segbench.errors import ConfigError
from segbench.scores.arithmetic import Floats
from segbench.suggest import nearest

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
            f"a class empty in truth and prediction is {words[self.empty]}; pixels marked as ignored count nowhere"
        ) + ("" if "miou" not in scores or self._is_benchmark else f"; {_MIOU}")

    @property
    def _is_benchmark(self) -> bool:
        """Whether what the convention says of pooling and of empty classes holds for ``miou`` too."""
        return self.reduction == "pooled" and self.empty == "nan"


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
