"""Objects of truth and prediction side by side, with matching objects in matching colours.

A true object is found by the predicted object that covers more than half of it, like the matching of SEG in the Cell
Tracking Challenge (M. Maska et al., A benchmark for comparison of cell tracking algorithms, Bioinformatics 30(11),
2014): so it is found at most once, and two true objects found by the same predicted object were merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from segbench.pictures.palette import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, YELLOW, rgb
from segbench.pictures.panels import edges

# Colours of matched objects; neighbours get different ones.
FILLS = (SKY, GREEN, PURPLE, ORANGE, BLUE)
MISSED, EXTRA, RIM = YELLOW, VERMILION, "#000000"
FILL_OPACITY = 0.55
NEIGHBOURS = 6

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Matched:
    """The objects of one image.

    Attributes:
        truth: Object numbers (H,W): 1..n, 0 for none.
        predicted: Object numbers (H,W): 1..m, 0 for none.
        partner: int (n + 1,): the predicted object that covers more than half of each true object, 0 if it is missed;
            entry 0 is 0.
    """

    truth: Labels
    predicted: Labels
    partner: NDArray[np.int64]

    @cached_property
    def missed(self) -> NDArray[np.int64]:
        """The true objects that no predicted object covers by more than half."""
        return np.flatnonzero(self.partner[1:] == 0) + 1

    @cached_property
    def extra(self) -> NDArray[np.int64]:
        """The predicted objects that cover no true object by more than half."""
        return np.setdiff1d(np.arange(1, self.predicted.max(initial=0) + 1), self.partner)

    @property
    def merged(self) -> int:
        """The number of predicted objects that cover several true objects."""
        return int((np.bincount(self.partner[self.partner > 0]) > 1).sum())


def match_objects(truth: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]) -> Matched:
    """Match the objects of two label images of the same size (H,W), 0 for none; objects are renumbered in order.

    Raises:
        ValueError: If the sizes differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth {truth.shape} and prediction {predicted.shape} differ in size")
    one, other = _numbered(truth), _numbered(predicted)
    objects, others = int(one.max(initial=0)), int(other.max(initial=0))
    shared = np.bincount((one.astype(np.int64) * (others + 1) + other).ravel(), minlength=(objects + 1) * (others + 1))
    overlap = shared.reshape(objects + 1, others + 1)
    partner = overlap[:, 1:].argmax(axis=1) + 1 if others else np.zeros(objects + 1, np.int64)
    covered = overlap[np.arange(objects + 1), partner] * 2 > overlap.sum(axis=1)
    covered[0] = False
    return Matched(one, other, np.where(covered & (others > 0), partner, 0))


def object_colours(matched: Matched) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the colour of each true and each predicted object, RGB in [0, 1], (n + 1, 3) and (m + 1, 3).

    A predicted object and the true objects that it covers share a colour that differs from its nearest neighbours'.
    Objects without a partner, and label 0, have NaN.
    """
    count = int(matched.predicted.max(initial=0))
    colours = np.full((count + 1, 3), np.nan)
    found = np.unique(matched.partner[1:][matched.partner[1:] > 0])
    if len(found):
        for label, index in zip(found, _spread_colours(_centres(matched.predicted, count)[found - 1]), strict=True):
            colours[label] = rgb(FILLS[index])
    return colours[matched.partner], colours


def paint(
    picture: NDArray[np.float64], labels: Labels, colours: NDArray[np.float64], outline: str, least_side: int = 900
) -> NDArray[np.float64]:
    """Fill objects with their colours; outline those without one with a thick line that has a dark rim.

    Args:
        picture: float (h,w,3) in [0, 1], of any size; the background of the labels.
        labels: Object numbers (H,W).
        colours: From :func:`object_colours`.
        outline: ``#RRGGBB`` of the outlines.
        least_side: Small images are enlarged by an integer factor, to about this longer side, so that lines are thin.

    Returns:
        float (H',W',3) in [0, 1].
    """
    factor = max(round(least_side / max(labels.shape)), 1)
    large = np.kron(labels, np.ones((factor, factor), np.int32))
    result = _fitted(picture, large.shape)
    filled = np.isfinite(colours[:, 0])
    inside = filled[large]
    result[inside] = (1 - FILL_OPACITY) * result[inside] + FILL_OPACITY * colours[large[inside]]
    borders = edges(large)
    own = _grown(borders & inside, 1) & inside
    result[own] = colours[large[own]]
    unmatched = (large > 0) & ~inside
    line = _grown(borders & unmatched, 1)
    result[_grown(line, 1)] = rgb(RIM)
    result[line] = rgb(outline)
    return result


def _numbered(labels: NDArray[np.integer[Any]]) -> Labels:
    known = np.unique(labels)
    return np.searchsorted(np.append(0, known[known > 0]), labels).astype(np.int32)


def _centres(labels: Labels, count: int) -> NDArray[np.float64]:
    """Return the centroid (row, column) of objects 1..count, (count, 2)."""
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    positions = np.indices(labels.shape)
    sums = [np.bincount(labels.ravel(), weights=axis.ravel(), minlength=count + 1)[1:] for axis in positions]
    return np.stack(sums, axis=1) / areas[:, None]


def _spread_colours(centres: NDArray[np.float64]) -> list[int]:
    """Return an index into ``FILLS`` for each object: the colour whose nearest holder is farthest away."""
    tree = KDTree(centres)
    distances, near = tree.query(centres, k=min(NEIGHBOURS + 1, len(centres)))
    distances, near = np.atleast_2d(distances.reshape(len(centres), -1)), near.reshape(len(centres), -1)
    chosen = [-1] * len(centres)
    for index in range(len(centres)):
        gaps = np.full(len(FILLS), np.inf)
        for distance, other in zip(distances[index], near[index], strict=True):
            if chosen[other] >= 0:
                gaps[chosen[other]] = min(gaps[chosen[other]], distance)
        # Among colours that no neighbour has, the choice rotates, so that all are used.
        order = np.roll(np.arange(len(FILLS)), -(index % len(FILLS)))
        chosen[index] = int(order[gaps[order].argmax()])
    return chosen


def _fitted(picture: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the picture resized by nearest neighbour."""
    rows, columns = (
        np.minimum((np.arange(length) + 0.5) * own / length, own - 1).astype(int)
        for length, own in zip(shape, picture.shape, strict=False)
    )
    return np.array(picture[np.ix_(rows, columns)])


def _grown(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    side = 2 * pixels + 1
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, pixels), (side, side))
    return np.asarray(windows.any(axis=(2, 3)))
