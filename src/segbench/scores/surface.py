"""Surfaces of a class and the distances between them: what HD95, ASSD, NSD and boundary F1 share.

The surface (of an image: the boundary) of a class are its border pixels: those with a pixel that is not of the class
above, below, left or right of them (in a volume also in the slice before or after): the mask without its erosion by
the face-connected structuring element, as MONAI and most tools have it. Each border pixel is a point at its centre and
counts once, whatever its size, along the axes of anisotropic voxels too.

Beyond the image's edge, and where the truth is not labelled (255), nothing is of the class: a class that reaches the
edge of the image, of the volume (its first and last slice) or of such a region has its surface there. Where truth and
prediction both reach it, both have theirs, at distance 0. No distance is measured from or to an unlabelled pixel.

A class that neither truth nor prediction has is not scored. For one that only one of them has there is an option
``empty``: ``penalty`` takes the longest distance that there is, the diagonal of the image or volume, or the share 0;
``skip`` leaves the image's class out, which favours a network that predicts nothing there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from segbench.scores.columns import ColumnScore, Floats, Region
from segbench.scores.nearest import squared_distances

Empty = Literal["penalty", "skip"]
# A pixel with those above, below, left and right of it.
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


@dataclass(frozen=True)
class SurfaceDistances:
    """From every border pixel of one side to the nearest border pixel of the other, in the data's unit of length.

    Attributes:
        predicted: Of the prediction's border pixels, float64 (P,); infinite where the truth has none.
        truth: Of the truth's, float64 (T,); infinite where the prediction has none.
    """

    predicted: Floats
    truth: Floats

    @property
    def points(self) -> int:
        """Border pixels of both sides, P + T."""
        return len(self.predicted) + len(self.truth)

    @property
    def one_sided(self) -> bool:
        """Whether only truth or only prediction has the class."""
        return (len(self.predicted) == 0) != (len(self.truth) == 0)

    def within(self, tolerance: float) -> tuple[int, int]:
        """Return how many of the prediction's and of the truth's border pixels have the other side that near."""
        return int((self.predicted <= tolerance).sum()), int((self.truth <= tolerance).sum())


def surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the border pixels of a mask, of any number of axes."""
    if mask.ndim == 2:
        eroded = cv2.erode(mask.view(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        return mask & ~np.asarray(eroded, bool)
    # Beyond its edge an array erodes as if it were empty.
    return mask & ~ndimage.binary_erosion(mask)


@lru_cache(maxsize=1)
def surface_distances(region: Region) -> SurfaceDistances:
    """Return the distances between the surfaces of truth and prediction; all scores of a region share them."""
    predicted, truth = _points(region.predicted), _points(region.truth)
    return SurfaceDistances(_nearest(predicted, truth, region.spacing), _nearest(truth, predicted, region.spacing))


def _points(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the places of the border pixels of a mask, (N,axes)."""
    box = _box(mask)
    if any(side.start == side.stop for side in box):
        return np.zeros((0, mask.ndim), np.int64)
    border = surface(np.ascontiguousarray(mask[box]))
    # Of one axis NumPy finds them many times faster.
    places = np.unravel_index(np.flatnonzero(border), border.shape)
    return np.stack(places, axis=-1) + [side.start for side in box]


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box that has all of a mask; an empty one of an empty mask."""
    if mask.ndim == 2:
        left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
        return slice(top, top + height), slice(left, left + width)
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    return boxes[0] if boxes else (slice(0, 0),) * mask.ndim


def _nearest(points: NDArray[np.int64], others: NDArray[np.int64], spacing: Sequence[float]) -> Floats:
    """Return each point's Euclidean distance to the nearest of others, float64 (N,).

    Of volumes, and where a pixel's sides are not 1, by a tree of the points: a distance transform visits every pixel of
    the box, for the boundaries of a street scene 20 times as many.
    """
    if not len(others) or not len(points):
        return np.full(len(points), np.inf)
    if points.shape[1] == 2 and all(side == 1 for side in spacing):
        return np.sqrt(squared_distances(points, others))
    _, nearest = KDTree(others * np.array(spacing)).query(points * np.array(spacing))
    # From whole numbers of pixels, so that two steps of 0.1 are 0.2, as a tolerance is written.
    return np.sqrt((((points - others[nearest]) * np.array(spacing)) ** 2).sum(axis=1))


class SurfaceScore(ABC):
    """What the scores of surfaces share; they score every foreground class of images and volumes.

    Args:
        name: What the score is called in tables and configurations.
        empty: What a class that only truth or only prediction has is worth: ``penalty`` or ``skip``.

    Raises:
        ValueError: For another ``empty``.
    """

    dimensions: ClassVar[tuple[int, ...]] = (2, 3)

    def __init__(self, name: str, empty: Empty) -> None:
        if empty not in ("penalty", "skip"):
            raise ValueError(f"empty must be penalty or skip, got {empty}")
        self.name, self.empty = name, empty

    @abstractmethod
    def declare(self, unit: str) -> Sequence[ColumnScore]:
        """Return the score; see :class:`segbench.scores.columns.ScoreColumns`."""

    @abstractmethod
    def measure(self, distances: SurfaceDistances, diagonal: float) -> Mapping[str, float]:
        """Return the columns, but for those of skipped ones and of the bound, of a class that truth or prediction has.

        Args:
            distances: Of its surfaces; infinite ones where one side has none.
            diagonal: The longest distance in the image or volume.
        """

    def scored_classes(self, data: Any) -> Sequence[str]:
        """Return the names of the foreground classes of a data module."""
        names: Sequence[str] = data.foreground
        return names

    def terms(self, region: Region) -> Mapping[str, float]:
        """Return the value of every column; all are 0 where neither truth nor prediction has the class."""
        declared = self.declare("")[0]
        columns = dict.fromkeys(declared.columns, 0.0) | ({declared.most: region.diagonal} if declared.most else {})
        distances = surface_distances(region)
        if distances.one_sided and self.empty == "skip":
            return columns | {self.left_out: 1.0}
        return {**columns, **self.measure(distances, region.diagonal)} if distances.points else columns

    @property
    def left_out(self) -> str:
        """Name of the column that counts the images whose class is skipped; empty where none is."""
        return f"{self.name}_left_out" if self.empty == "skip" else ""

    def rule(self, penalty: str) -> str:
        """Return what ``empty`` means for the score, as a note to the convention.

        Args:
            penalty: What a class that only one side has is worth where it is not left out.
        """
        worth = "is left out" if self.empty == "skip" else f"counts as {penalty}"
        return f"a class that only truth or only prediction has {worth}"
