"""What networks would count that predict one thing everywhere: the trivial predictions that a score is held against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


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
