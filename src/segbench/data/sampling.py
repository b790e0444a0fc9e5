"""How often an image is drawn for training: as often as any other, or more if a class of it is rare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError


def repeat_factors(present: NDArray[np.bool_], share: float) -> NDArray[np.float64]:
    """Return how many times as often as an image of common classes each image is drawn: 1 or more, float64 (N,).

        r_c = max(1, sqrt(share / f_c)),  r = the largest r_c of a class that the image has

    with f_c the fraction of images that have class c: Gupta, Dollar and Girshick, "LVIS: A Dataset for Large Vocabulary
    Instance Segmentation", CVPR 2019 (arXiv 1908.03195), repeat factor sampling.

    Args:
        present: Which classes each image has, bool (N,C).
        share: A class that fewer images have is rare; above 0, at most 1.

    Raises:
        ConfigError: If ``share`` is out of range.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"data.oversample={share}: must be above 0 and at most 1")
    frequency = present.mean(axis=0)
    factors = np.sqrt(share / np.where(frequency > 0, frequency, 1.0)).clip(min=1.0)
    return np.where(present, factors, 1.0).max(axis=1)


def weighted_pass(weights: NDArray[np.float64], chance: np.random.Generator) -> NDArray[np.int64]:
    """Return as many items as there are weights, shuffled, each as often as its weight asks, but for a fraction.

    An item that should be drawn n times on average, n rarely whole, is drawn n times rounded down or up: systematic
    sampling, Kish, "Survey Sampling", 1965. With equal weights each is drawn once.

    Args:
        weights: Positive, (N,).
        chance: Where all randomness comes from.
    """
    count = len(weights)
    shuffled = chance.permutation(count)
    ends = np.cumsum(weights[shuffled])
    marks = (chance.random() + np.arange(count)) * (ends[-1] / count)
    picked = np.searchsorted(ends, marks, side="right").clip(max=count - 1)
    return chance.permutation(shuffled[picked])


def occurrences(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each item of an order stands before it in the order, int64 (N,)."""
    by_item = np.argsort(order, kind="stable")
    ranked = order[by_item]
    found = np.empty_like(order)
    found[by_item] = np.arange(len(order)) - np.searchsorted(ranked, ranked)
    return found
