"""Distances between pixels of a plane: exact, without visiting the plane pixel by pixel for each of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Places = NDArray[np.int64]
# Rows and columns that are looked at to each side before a tree is asked, which is faster for what is farther; the sum
# of the steps by which rows are reached.
_STEPS = (1, 2, 4, 8, 16, 32)
_REACH = sum(_STEPS)
# Farther than that, and with room for a step in a byte.
_NONE = 128


def squared_distances(points: Places, others: Places) -> NDArray[np.int64]:
    """Return each point's squared distance to the nearest of others, int64 (N,), in pixels.

    The first step of a Euclidean distance transform (A. Meijster et al., 2000), the distance to the nearest of others
    in the same column, is made for the whole plane, in bytes; the second, over columns, only at the points, and
    only as far as a nearer one may lie: most borders of a prediction are a few pixels from those of the truth.

    Args:
        points: Row and column, int64 (N,2), at least one.
        others: The same, (M,2), at least one.
    """
    start = np.minimum(points.min(axis=0), others.min(axis=0))
    height, width = np.maximum(points.max(axis=0), others.max(axis=0)) - start + 1
    gaps = _column_gaps(others - start, int(height), int(width))
    place = (points[:, 0] - start[0]) * gaps.shape[1] + points[:, 1] - start[1] + _REACH
    flat = gaps.ravel()
    best = flat[place].astype(np.int64) ** 2
    open_ = np.arange(len(points))
    for step in range(1, _REACH + 1):
        open_ = open_[best[open_] > step * step]
        if not len(open_):
            return best
        near = np.minimum(flat[place[open_] - step], flat[place[open_] + step]).astype(np.int64)
        best[open_] = np.minimum(best[open_], near * near + step * step)
    # What is farther in either direction was not looked at.
    open_ = open_[best[open_] > (_REACH + 1) ** 2]
    if len(open_):
        _, nearest = KDTree(others).query(points[open_])
        best[open_] = ((points[open_] - others[nearest]) ** 2).sum(axis=1)
    return best


def _column_gaps(others: Places, height: int, width: int) -> NDArray[np.uint8]:
    """Return how far each pixel is from the nearest of others in its column, up to the reach, uint8 (H,W+2R)."""
    gaps = np.full((height, width + 2 * _REACH), _NONE, np.uint8)
    gaps[others[:, 0], others[:, 1] + _REACH] = 0
    # Each distance is a sum of some of the steps.
    for step in _STEPS:
        np.minimum(gaps[step:], gaps[:-step] + np.uint8(step), out=gaps[step:])
        np.minimum(gaps[:-step], gaps[step:] + np.uint8(step), out=gaps[:-step])
    return gaps
