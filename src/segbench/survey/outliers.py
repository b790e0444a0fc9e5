"""Images whose exposure is far from that of all others, and objects far smaller than all others of their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.survey.images import ImageFacts

# Tukey's "far out" (Exploratory Data Analysis, 1977): so many interquartile ranges beyond the quartiles.
_FAR = 3.0
# Of the range of brightness; smaller differences nobody sees.
_LEAST_DIFFERENCE = 0.1
_LEAST_IMAGES = 8
# If more than this part of the images, and more than so many, are far out, then that is what the set is like.
_FEW, _LEAST_FEW = 0.01, 3
# Objects from which a class's sizes are known, the pixels above which nothing is a speck, and how many times larger all
# others are: where sizes have no gap, small ones belong to the class.
_LEAST_OBJECTS, _SPECK, _GAP = 20, 16, 3.0


@dataclass(frozen=True)
class Exposure:
    """An image that is far brighter, darker or flatter than the others.

    Attributes:
        image: Its record.
        what: ``brighter``, ``darker`` or ``less contrast``. More contrast is rather something bright in it.
        value, usual: Of this image and the median of all, in [0, 1]: mean of the quartiles of the brightness, or
            contrast (99th minus 1st percentile).
        clipped: Share of its pixels at the ends of the range.
    """

    image: int
    what: str
    value: float
    usual: float
    clipped: float


def find_exposures(facts: Sequence[ImageFacts]) -> list[Exposure]:
    """Find images that are far out in brightness or contrast.

    Args:
        facts: What is known of each image.
    """
    if len(facts) < _LEAST_IMAGES:
        return []
    middle = np.array([item.levels[1:4].mean() for item in facts])
    contrast = np.array([item.levels[4] - item.levels[0] for item in facts])
    found: dict[int, Exposure] = {}
    for values, lower, higher in ((contrast, "less contrast", None), (middle, "darker", "brighter")):
        usual = float(np.median(values))
        for place in np.flatnonzero(_far_out(values, _LEAST_DIFFERENCE)).tolist():
            item, value = facts[place], float(values[place])
            what = lower if value < usual else higher
            if what is not None:
                clipped = float(item.histogram[[0, -1]].sum() / max(1, item.histogram.sum()))
                found[item.index] = Exposure(item.index, what, value, usual, clipped)
    if len(found) > max(_LEAST_FEW, _FEW * len(facts)):
        return []
    return sorted(found.values(), key=lambda item: -abs(item.value - item.usual))


@dataclass(frozen=True)
class Specks:
    """Tiny objects of a class, far smaller than its others.

    Attributes:
        label: The class.
        usual: Median area of its objects.
        largest: Area of the largest of them.
        where: Record and box (top, left, height, width) of each, the smallest first.
    """

    label: int
    usual: float
    largest: int
    where: tuple[tuple[int, tuple[int, int, int, int]], ...]


def find_specks(facts: Sequence[ImageFacts]) -> list[Specks]:
    """Find objects of at most a few pixels whose area is far below that of the others of their class.

    They are beside a whole object of their class: small ones alone may be the end of something seen in slices.

    Args:
        facts: What is known of each image.
    """
    objects = np.concatenate([item.objects for item in facts])
    records = np.repeat([item.index for item in facts], [len(item.objects) for item in facts])
    found = []
    for label in np.unique(objects[:, 0]).tolist():
        mine, where = objects[objects[:, 0] == label], records[objects[:, 0] == label]
        areas = mine[:, 1]
        if len(areas) < _LEAST_OBJECTS:
            continue
        far = _far_out(np.log(areas), 1.0) & (areas <= _SPECK) & (areas < np.median(areas))
        if far.any() and areas[~far].min() < _GAP * areas[far].max():
            continue
        far &= np.isin(where, where[~far])
        if far.any():
            order = np.flatnonzero(far)[np.argsort(areas[far], kind="stable")].tolist()
            boxes = tuple((int(where[place]), tuple(mine[place, 2:].tolist())) for place in order)
            found.append(Specks(label, float(np.median(areas)), int(areas[far].max()), boxes))
    return found


def _far_out(values: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
    """Return which values are far out, and at least ``least`` from the quartiles."""
    low, high = np.quantile(values, [0.25, 0.75])
    far = max(_FAR * (high - low), least)
    return (values < low - far) | (values > high + far)
