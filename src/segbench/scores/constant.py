"""What networks would count that predict one thing everywhere, and how far a network is from that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segbench.scores.arithmetic import mean_present, ratio


def constant_counts(counts: NDArray[np.int64], names: Sequence[str], exclusive: bool) -> dict[str, NDArray[np.int64]]:
    """Return the counts of the trivial predictions on the same images, by what they predict, but of a right one.

    Args:
        counts: int64 (N,C,4): tp, fp, fn, tn of a network's predictions, whatever it predicted.
        names: The C classes.
        exclusive: Whether a pixel is given one class: then each class may be everywhere; else none or all of them.
    """
    if exclusive:
        marks = dict(zip(names, np.eye(len(names), dtype=bool), strict=True))
    else:
        marks = {"no class": np.zeros(len(names), bool), "every class": np.ones(len(names), bool)}
    there, elsewhere = counts[..., 0] + counts[..., 2], counts[..., 1] + counts[..., 3]
    none = np.zeros_like(there)
    marked = np.stack([there, elsewhere, none, none], axis=-1)
    unmarked = np.stack([none, none, there, elsewhere], axis=-1)
    found = {name: np.where(mark[:, None], marked, unmarked) for name, mark in marks.items()}
    return {name: part for name, part in found.items() if part[..., 1:3].any()}


def agreement(counts: NDArray[np.int64]) -> float:
    """Return Cohen's kappa of each class against the rest, the mean over classes: 0 of what is predicted everywhere.

    The agreement with the truth beyond that of chance (J. Cohen, Educ. Psychol. Meas. 20 (1960) 37). Marking everything
    has a Dice of 0.01 of a small class and of 0.67 of one that covers half of an image; the kappa of both is 0.

    Args:
        counts: int64 (C,4): tp, fp, fn, tn of all images together.

    Returns:
        -1 to 1, over the classes that are somewhere and not everywhere; NaN without any.
    """
    tp, fp, fn, tn = np.moveaxis(counts.astype(np.float64), -1, 0)
    told = (tp + fn > 0) & (tn + fp > 0)
    kappa = ratio(2 * (tp * tn - fp * fn), (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn))
    return float(mean_present(np.where(told, kappa, np.nan), axis=0))
