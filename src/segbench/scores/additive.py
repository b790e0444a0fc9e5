"""A score as a function of sums over images, so that the score without some of them costs no second look at any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.scores.arithmetic import Floats, mean_present, ratio


@dataclass(frozen=True)
class Additive:
    """What adds up over the N images of a set, and the score of such sums.

    Attributes:
        terms: Of each image, (N,...).
        of: Sums of terms with any further axes in front to scores; NaN where there is nothing to score.
    """

    terms: NDArray[Any]
    of: Callable[[NDArray[Any]], Floats]

    @property
    def total(self) -> float:
        """The score of all images together."""
        return float(self.of(self.terms.sum(axis=0)))


def mean_over_images(scores: Floats) -> Additive:
    """Return the mean over classes of the means over the images that score the class.

    Args:
        scores: Of each image and class, float64 (N,C); NaN where an image does not score a class.
    """
    present = ~np.isnan(scores)
    return Additive(np.stack([np.where(present, scores, 0.0), present], axis=-1), _mean_of_means)


def pooled(terms: NDArray[Any], score: Callable[[NDArray[Any]], Floats]) -> Additive:
    """Return the mean over classes of the scores of added terms.

    Args:
        terms: Of each image and class, (N,C,K).
        score: Terms (...,K) to scores (...).
    """
    return Additive(terms, lambda sums: mean_present(score(sums), axis=-1))


def _mean_of_means(sums: Floats) -> Floats:
    """Return the mean over classes of the means over images: sum and number (...,C,2) to (...)."""
    return np.asarray(mean_present(ratio(sums[..., 0], sums[..., 1]), axis=-1))
