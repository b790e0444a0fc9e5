"""Hausdorff distances between the objects of two label images, many of them in little time."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segbench.scores.arithmetic import Floats

Pixels = NDArray[np.int64]
# A distance transform of so few pixels takes no longer than to find the pixels that may be farthest. Of more pixels
# some pairs each are compared in the time that the transform takes; and pairs have to fit in little memory.
_FEW_PIXELS, _PAIRS_PER_PIXEL, _MOST_PAIRS = 8_000, 2, 1_000_000
# From here on OpenCV's distances, in float32, have squares that are off by 1 (seen from 886 on).
_FAR = 800
_DIAGONALS = np.array([[1, 1], [1, -1]]) / np.sqrt(2)


class LabelledSets:
    """The objects of a label image, found once for all distances.

    Args:
        labels: int32 (H,W), 0 for none, else 1 to N without gaps.

    Attributes:
        count: N.
        areas: Pixels of each object, int64 (N,).
        boxes: First row and column, last row and column of each object.
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
        above, below, before, behind = around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]
        at_edge = (labels != above) | (labels != below) | (labels != before) | (labels != behind)
        self.edges = _pixels(np.where(at_edge, labels, 0), self.count)
        self.ends = _ends(self.edges)
        # Plain numbers, as one pair after the other is measured.
        self.boxes: list[list[int]] = self.ends[:, [0, 1, 4, 5]].astype(np.int64).tolist()


def least_distances(one: LabelledSets, i: int, other: LabelledSets) -> Floats:
    """Return a lower bound of the distances of object i (from 0) of one to all of other, (M,), from their ends alone.

    Two sets are at least as far apart as their projections on a line, and those as their ends.
    """
    return np.abs(other.ends - one.ends[i]).max(axis=1, initial=0)


def hausdorff(one: LabelledSets, other: LabelledSets, i: int, j: int) -> float:
    """Return the Hausdorff distance of two sets of pixels, object i (from 0) of one and object j of other.

    The larger of max over x of d(x, Y) and max over y of d(y, X), in pixels.
    """
    (top, left, bottom, right), beside = one.boxes[i], other.boxes[j]
    rows = slice(min(top, beside[0]), max(bottom, beside[2]) + 1)
    columns = slice(min(left, beside[1]), max(right, beside[3]) + 1)
    if (rows.stop - rows.start) * (columns.stop - columns.start) > _FEW_PIXELS:
        return max(_farthest(one, i, other, j, (rows, columns)), _farthest(other, j, one, i, (rows, columns)))
    first, second = one.labels[rows, columns] == i + 1, other.labels[rows, columns] == j + 1
    return max(_farthest_within(first, second), _farthest_within(second, first))


def _farthest_within(points: NDArray[np.bool_], others: NDArray[np.bool_]) -> float:
    """Return the largest distance of a pixel of one mask (H,W) to the nearest of another."""
    if sum(points.shape) >= _FAR:
        return float(ndimage.distance_transform_edt(~others)[points].max())
    distances = cv2.distanceTransform((~others).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Squares of distances between pixels are whole numbers, which float32 alone does not keep the roots of.
    return float(np.sqrt(np.rint(np.square(distances[points].max(), dtype=np.float64))))


def _farthest(one: LabelledSets, i: int, other: LabelledSets, j: int, around: tuple[slice, slice]) -> float:
    """Return the largest distance of a pixel of object i to the nearest of object j, in the box around both.

    From a pixel above, below, left or right of all of object j, every step further that way leads away from all of it.
    So the farthest pixel is one of the object's edge, or within the other's box.
    """
    box, beside = one.boxes[i], other.boxes[j]
    # Where both boxes meet: nothing (an empty slice) if they do not.
    top, left = max(box[0], beside[0]), max(box[1], beside[1])
    bottom, right = max(top, min(box[2], beside[2]) + 1), max(left, min(box[3], beside[3]) + 1)
    within = np.argwhere(one.labels[top:bottom, left:right] == i + 1) + np.array([top, left])
    points = np.concatenate([one.edges[i], within])
    points = points[other.labels[points[:, 0], points[:, 1]] != j + 1]
    if not len(points):
        return 0.0
    others = other.labels[around] == j + 1
    if len(points) * len(other.edges[j]) > min(_PAIRS_PER_PIXEL * others.size, _MOST_PAIRS):
        return _farthest_within(one.labels[around] == i + 1, others)
    rows, columns = (points[:, None, axis] - other.edges[j][None, :, axis] for axis in (0, 1))
    return float(np.sqrt((rows * rows + columns * columns).min(axis=1).max()))


def _ends(edges: list[Pixels]) -> Floats:
    """Return the least and then the largest row, column and place along both diagonals of each set, (N,8)."""
    if not edges:
        return np.zeros((0, 8))
    pixels = np.concatenate(edges)
    places = np.column_stack([pixels, pixels @ _DIAGONALS])
    begins = np.cumsum([0, *map(len, edges[:-1])])
    return np.hstack([np.minimum.reduceat(places, begins), np.maximum.reduceat(places, begins)])


def _pixels(labels: NDArray[np.int32], count: int) -> list[Pixels]:
    """Return row and column of the pixels of each label from 1 to count, (n,2) each."""
    found = np.argwhere(labels)
    numbers = labels[found[:, 0], found[:, 1]]
    # Of two bytes NumPy sorts by counting, which is many times faster.
    ordered = found[np.argsort(numbers.astype(np.uint16) if count < 2**16 else numbers, kind="stable")]
    return np.split(ordered, np.cumsum(np.bincount(numbers, minlength=count + 1)[1:])[:-1]) if count else []
