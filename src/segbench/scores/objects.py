"""Objects found and missed in one image, as the GlaS challenge counts them.

K. Sirinukunwattana et al., Gland segmentation in colon histology images: the GlaS challenge contest, Medical Image
Analysis 35, 2017, section 5. With truth objects G_1.. and predicted objects S_1.. of areas |G_i|, |S_j|, each object's
partner is the object of the other side that it overlaps most (of equal overlaps the one with the lower label).

- Detection: S_j is a true positive if it covers at least 50 % of its partner's area, else a false positive; a truth
  object without a true positive is a false negative. Of two halves that cover 50 % each the truth object's own partner
  is the true positive, so that tp + fn is the number of truth objects. (The challenge's code asks for more than 50 %,
  its paper for at least; they differ at exact halves only.)
- Dice: sum over G_i of |G_i| Dice(G_i, partner) / sum |G_i|, the same for S_j, and the mean of both; without overlap 0.
- Hausdorff distance: the same with H(G_i, partner); an object that overlaps none takes the object of the other side of
  the smallest H. H is that of the sets of all pixels of two objects, in pixels.

An image without truth and prediction has no score (the challenge's code gives F1 1, Dice 1, distance 0: convention
``empty``). Where one side alone is empty, F1 and Dice are 0 as there, and the distance, there infinite, is the image's
diagonal: the largest that there is, so that a mean stays finite and to predict nothing costs most.

What is stored are sums over objects, weighted by area, which add up over images: so means over images and pooled scores
(the challenge's own way: over all objects of a test set) come from the same columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from segbench.scores.arithmetic import Floats, Labels
from segbench.scores.columns import ColumnScore, Ratio, Region
from segbench.scores.hausdorff import LabelledSets, hausdorff, least_distances

# Of one image and class, in the order of :func:`object_terms`. Counts of objects, areas in pixels, and sums over the
# objects of one side: area times Dice, area times Hausdorff distance. Last the image's diagonal, in pixels.
OBJECT_COLUMNS = (
    "object_tp",
    "object_fp",
    "object_fn",
    "object_area_truth",
    "object_area_predicted",
    "object_dice_truth",
    "object_dice_predicted",
    "object_hausdorff_truth",
    "object_hausdorff_predicted",
    "object_hausdorff_most",
)


def _both_sides(name: str) -> tuple[Ratio, ...]:
    """Return the area-weighted means over truth and over predicted objects."""
    return tuple(Ratio({f"object_{name}_{side}": 1}, {f"object_area_{side}": 1}) for side in ("truth", "predicted"))


# What follows from the columns.
OBJECT_SCORES = (
    ColumnScore("object_f1", "object F1", (Ratio({"object_tp": 2}, {"object_tp": 2, "object_fp": 1, "object_fn": 1}),)),
    ColumnScore("object_dice", "object Dice", _both_sides("dice")),
    ColumnScore(
        "object_hausdorff",
        "object Hausdorff distance",
        _both_sides("hausdorff"),
        lower_is_better=True,
        unit="px",
        empty="an image where one side alone is empty counts with its diagonal, the largest distance there is",
        most="object_hausdorff_most",
    ),
)


class ObjectColumns(ABC):
    """What the scores of objects share: which classes are made of them, and what the objects of a class are.

    Truth objects are the data set's instances, or else connected components; predicted ones are connected components of
    the predicted class. What is labelled to be ignored belongs to no object.

    Args:
        classes: Names of the classes that are made of objects; None for every foreground class.
    """

    dimensions: ClassVar[tuple[int, ...]] = (2,)
    of_objects: ClassVar[bool] = True

    def __init__(self, classes: Sequence[str] | None = None) -> None:
        self.classes = classes

    def scored_classes(self, data: Any) -> Sequence[str]:
        """Return the names of the classes of a data module that are made of objects.

        Raises:
            ValueError: If it has no such class.
        """
        names: Sequence[str] = data.foreground if self.classes is None else self.classes
        if unknown := [name for name in names if name not in data.class_names]:
            raise ValueError(f"no class {unknown[0]!r}; there are {', '.join(data.class_names)}")
        return names

    def terms(self, region: Region) -> Mapping[str, float]:
        """Return the value of every column for one class of an image."""
        truth = components(region.truth) if region.instances is None else region.instances
        return self.object_terms(truth, components(region.predicted))

    @abstractmethod
    def object_terms(self, truth: Labels, prediction: Labels) -> Mapping[str, float]:
        """Return the columns of an image from the labels of the objects on both sides, (H,W), 0 for none."""


class ObjectScores(ObjectColumns):
    """F1, Dice and Hausdorff distance of objects, as the GlaS challenge has them (the module says how).

    Args:
        classes: Names of the classes that are made of objects; None for every foreground class.
    """

    def declare(self, unit: str) -> Sequence[ColumnScore]:
        """Return the three scores; distances are in pixels, whatever the data's unit of length is."""
        return OBJECT_SCORES

    def object_terms(self, truth: Labels, prediction: Labels) -> Mapping[str, float]:
        """Return the columns of an image from the labels of the objects on both sides, (H,W), 0 for none."""
        return dict(zip(OBJECT_COLUMNS, object_terms(truth, prediction).tolist(), strict=True))


def components(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the connected components of a mask (H,W), labelled from 1; pixels that touch at a corner are connected."""
    return np.asarray(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1], np.int32)


def object_terms(truth: Labels, prediction: Labels) -> Floats:
    """Return the terms of object scores of one image.

    Args:
        truth: Label of each pixel's object (H,W), 0 for none; any labels.
        prediction: The same of the prediction.

    Returns:
        float64 (10,), in the order of :data:`OBJECT_COLUMNS`.
    """
    one, other = LabelledSets(_consecutive(truth)), LabelledSets(_consecutive(prediction))
    # Pixels that each truth object shares with each predicted one; index 0 is none.
    cells = one.labels.astype(np.int64) * (other.count + 1) + other.labels
    shared = np.bincount(cells.ravel(), minlength=(one.count + 1) * (other.count + 1))
    overlap = shared.reshape(one.count + 1, -1)[1:, 1:]
    tp = _detected(overlap, one.areas)
    counts = [tp, other.count - tp, one.count - tp]
    dice = [_dice_sum(overlap, one.areas, other.areas), _dice_sum(overlap.T, other.areas, one.areas)]
    distances = _hausdorff_sums(one, other, overlap)
    return np.array([*counts, one.areas.sum(), other.areas.sum(), *dice, *distances, one.diagonal], np.float64)


def _consecutive(labels: Labels) -> NDArray[np.int32]:
    """Return the labels as 1, 2, ... without gaps, in their order; 0 stays."""
    present = np.bincount(labels.ravel()) > 0
    present[:1] = False
    return labels.astype(np.int32, copy=False) if present[1:].all() else np.cumsum(present, dtype=np.int32)[labels]


def _detected(overlap: NDArray[np.int64], areas: NDArray[np.int64]) -> int:
    """Return the number of true positives; ``overlap`` (G,S) in pixels, ``areas`` (G,) of the truth objects."""
    if not overlap.size:
        return 0
    partner = overlap.argmax(axis=0)
    covers = overlap[partner, np.arange(overlap.shape[1])]
    return len(np.unique(partner[(covers > 0) & (2 * covers >= areas[partner])]))


def _dice_sum(overlap: NDArray[np.int64], areas: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    """Return the sum over objects (rows) of area times Dice with the partner (column)."""
    if not overlap.size:
        return 0.0
    partner, rows = overlap.argmax(axis=1), np.arange(len(areas))
    return float((areas * 2 * overlap[rows, partner] / (areas + others[partner])).sum())


def _hausdorff_sums(one: LabelledSets, other: LabelledSets, overlap: NDArray[np.int64]) -> tuple[float, float]:
    """Return the sums over truth and over predicted objects of area times distance to the partner."""
    if not overlap.size:
        return float(one.areas.sum()) * one.diagonal, float(other.areas.sum()) * one.diagonal
    distance = cache(partial(hausdorff, one, other))
    there = _hausdorff_sum(one, other, overlap, distance)
    return there, _hausdorff_sum(other, one, overlap.T, lambda j, i: distance(i, j))


def _hausdorff_sum(
    sets: LabelledSets, others: LabelledSets, overlap: NDArray[np.int64], distance: Callable[[int, int], float]
) -> float:
    """Return the sum over objects (rows) of area times distance to the partner (column)."""
    total = 0.0
    for index, shared in enumerate(overlap):
        to = partial(distance, index)
        far = to(int(shared.argmax())) if shared.any() else _smallest(to, least_distances(sets, index, others))
        total += sets.areas[index] * far
    return total


def _smallest(measure: Callable[[int], float], bounds: Floats) -> float:
    """Return the smallest distance to any object, none of which is below its bound."""
    best = np.inf
    for index in np.argsort(bounds, kind="stable"):
        if bounds[index] >= best:
            break
        best = min(best, measure(int(index)))
    return float(best)
