"""Hausdorff distances between the objects of two label images, many of them in little time."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from segbench.scores.arithmetic import Floats

Pixels = NDArray[np.int64]
# Distances between pixels that are computed one by one: so many in any case, and so many for each pixel that a distance
# transform would have to cover, which is faster for more; never more than fit in little memory.
_FEW_PAIRS, _PAIRS_PER_PIXEL, _MOST_PAIRS = 10_000, 2, 1_000_000
_DIAGONALS = np.array([[1, 1], [1, -1]]) / np.sqrt(2)


class LabelledSets:
    """The objects of a label image, found once for all distances.

    Args:
        labels: int32 (H,W), 0 for none, else 1 to N without gaps.

    Attributes:
        count: N.
        areas: Pixels of each object, int64 (N,).
        boxes: First row and column, last row and column of each object, int64 (N,4).
        ends: Least and largest row, column and place along both diagonals of each object, float64 (N,8).
        edges: Row and column of each object's pixels that have a pixel of something else, or the image's end, above,
            below, left or right, N arrays (n,2).
        diagonal: The largest distance of two pixels of the image.
    """

    def __init__(self, labels: NDArray[np.int32]) -> None:
        self.labels = labels
        self.count = int(labels.max(initial=0))
        self.areas = np.bincount(labels.ravel(), minlength=self.count + 1)[1:]
        self.diagonal = float(np.hypot(labels.shape[0] - 1, labels.shape[1] - 1))
        around = np.pad(labels, 1)
        neighbours = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
        self.edges = _pixels(np.where(np.any([labels != other for other in neighbours], axis=0), labels, 0), self.count)
        places = [np.column_stack([found, found @ _DIAGONALS]) for found in self.edges]
        self.ends = np.array([[found.min(axis=0), found.max(axis=0)] for found in places]).reshape(-1, 8)
        self.boxes = self.ends[:, [0, 1, 4, 5]].astype(np.int64)


def least_distances(one: LabelledSets, other: LabelledSets) -> Floats:
    """Return a lower bound of the distances of all objects of one to all of other, (N,M), from their ends alone.

    Two sets are at least as far apart as their projections on a line, and those as their ends.
    """
    return np.abs(one.ends[:, None] - other.ends[None]).max(axis=2, initial=0)


def hausdorff(one: LabelledSets, other: LabelledSets, i: int, j: int) -> float:
    """Return the Hausdorff distance of two sets of pixels, object i (from 0) of one and object j of other.

    The larger of max over x of d(x, Y) and max over y of d(y, X), in pixels.
    """
    return max(_farthest(one, i, other, j), _farthest(other, j, one, i))


def _farthest(one: LabelledSets, i: int, other: LabelledSets, j: int) -> float:
    """Return the largest distance of a pixel of object i to the nearest of object j.

    From a pixel above, below, left or right of all of object j, every step further that way leads away from all of it.
    So the farthest pixel is one of the object's edge, or within the other's box.
    """
    box = other.boxes[j]
    # Where both boxes meet: nothing (an empty slice) if they do not.
    top, left = np.maximum(one.boxes[i][:2], box[:2])
    bottom, right = np.minimum(one.boxes[i][2:], box[2:]) + 1
    within = np.argwhere(one.labels[top : max(top, bottom), left : max(left, right)] == i + 1) + np.array([top, left])
    points = np.concatenate([one.edges[i], within])
    points = points[other.labels[points[:, 0], points[:, 1]] != j + 1]
    if not len(points):
        return 0.0
    edge = other.edges[j]
    start = np.minimum(one.boxes[i][:2], box[:2])
    end = np.maximum(one.boxes[i][2:], box[2:]) + 1
    pairs = len(points) * len(edge)
    if pairs <= max(_FEW_PAIRS, min(_PAIRS_PER_PIXEL * int(np.prod(end - start)), _MOST_PAIRS)):
        rows, columns = (points[:, None, axis] - edge[None, :, axis] for axis in (0, 1))
        return float(np.sqrt((rows * rows + columns * columns).min(axis=1).max()))
    outside = other.labels[start[0] : end[0], start[1] : end[1]] != j + 1
    distances = cv2.distanceTransform(outside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(distances[tuple((points - start).T)].max())


def _pixels(labels: NDArray[np.int32], count: int) -> list[Pixels]:
    """Return row and column of the pixels of each label from 1 to count, (n,2) each."""
    found = np.argwhere(labels)
    numbers = labels[found[:, 0], found[:, 1]]
    # Of two bytes NumPy sorts by counting, which is many times faster.
    ordered = found[np.argsort(numbers.astype(np.uint16) if count < 2**16 else numbers, kind="stable")]
    return np.split(ordered, np.cumsum(np.bincount(numbers, minlength=count + 1)[1:])[:-1]) if count else []
