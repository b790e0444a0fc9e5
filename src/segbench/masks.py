"""What the values of a mask mean: which classes each pixel has, for whatever stores, counts or draws masks.

A mask is uint8 (H,W) with 255 where nothing is known. It holds the index of each pixel's one class, or, where classes
overlap, the set of a pixel's classes as bits. Cropping, turning and resampling by nearest neighbour treat both alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.labels import IGNORE_INDEX

# Classes that a bit set may have: the eighth bit tells 255 from all of them together.
MOST_BITS = 7


class MaskForm(Protocol):
    """How a mask says which classes a pixel has."""

    @property
    def overlapping(self) -> bool:
        """Whether a pixel may have several classes, or none."""

    def values(self, index: int) -> NDArray[np.bool_]:
        """Return which of the 256 values say that a pixel has a class, bool (256,); 255 never does."""

    def largest(self, classes: int) -> int:
        """Return the largest value that a pixel of so many classes can have, 255 apart."""


class ClassIndices:
    """A pixel's value is the index of its one class."""

    overlapping = False

    def values(self, index: int) -> NDArray[np.bool_]:
        """Return which values say that a pixel has a class: its index alone."""
        found = np.zeros(256, bool)
        found[index] = index != IGNORE_INDEX
        return found

    def largest(self, classes: int) -> int:
        """Return the last index."""
        return classes - 1


class BitSets:
    """A pixel's value has bit k set where the pixel has class k; 0 is a pixel without any."""

    overlapping = True

    def values(self, index: int) -> NDArray[np.bool_]:
        """Return which values say that a pixel has a class: those with its bit."""
        found = (np.arange(256) >> index & 1).astype(bool)
        found[self.largest(MOST_BITS) + 1 :] = False
        return found

    def largest(self, classes: int) -> int:
        """Return the set of all classes."""
        return 2**classes - 1


INDICES: MaskForm = ClassIndices()
BITS: MaskForm = BitSets()


@dataclass(frozen=True)
class Layer:
    """A mask with one meaning a pixel, as files and viewers take them.

    Attributes:
        index: The class that it is of; None for all together.
        mask: uint8, of the mask's shape; 255 as there.
        names: What its values are called.
    """

    index: int | None
    mask: NDArray[np.uint8]
    names: dict[int, str]


@dataclass(frozen=True)
class MaskKey:
    """How to read a mask, and what pictures show it in.

    Attributes:
        names: Names of the C classes.
        form: How the mask says which of them a pixel has.
        background: Whether class 0 is a background, which pictures leave out.
        colours: ``#RRGGBB`` of every class, for data that has its own, class 0 too; None for the project's.
    """

    names: tuple[str, ...]
    form: MaskForm = INDICES
    background: bool = True
    colours: tuple[str, ...] | None = None

    @property
    def shown(self) -> range:
        """Indices of the classes that pictures show: all but a background without a colour of its own."""
        return range(1 if self.background and self.colours is None else 0, len(self.names))

    @property
    def partial(self) -> bool:
        """Whether a pixel may have none of the shown classes."""
        return self.form.overlapping or len(self.shown) < len(self.names)

    def inside(self, mask: NDArray[Any], index: int) -> NDArray[np.bool_]:
        """Return where a mask (...) of integers has a class, bool (...)."""
        return self.form.values(index)[mask]

    def count(self, histogram: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many pixels each class has, int64 (C,), from how often each value occurs, int64 (256,)."""
        return np.array([histogram[self.form.values(index)].sum() for index in range(len(self.names))], np.int64)

    def layers(self, mask: NDArray[np.uint8]) -> list[Layer]:
        """Return the mask itself, or, where classes overlap, one for each: 1 where the class is, else 0."""
        if not self.form.overlapping:
            return [Layer(None, mask, dict(enumerate(self.names)))]
        ignored = mask == IGNORE_INDEX
        each = [np.where(ignored, IGNORE_INDEX, self.inside(mask, index)) for index in range(len(self.names))]
        return [Layer(index, part.astype(np.uint8), {1: self.names[index]}) for index, part in enumerate(each)]


def bit_sets(classes: Sequence[NDArray[np.bool_]], ignored: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Return a mask uint8 (H,W) of classes that may overlap.

    Args:
        classes: Where each class is, bool (H,W), in the order of the classes; at most :data:`MOST_BITS`.
        ignored: Where nothing is known, bool (H,W), if there is such a place.

    Raises:
        ValueError: For more classes than there are bits.
    """
    if not 1 <= len(classes) <= MOST_BITS:
        raise ValueError(f"{len(classes)} classes that overlap; a mask holds 1 to {MOST_BITS}")
    mask = np.zeros(classes[0].shape, np.uint8)
    for index, inside in enumerate(classes):
        mask |= np.where(inside, np.uint8(1 << index), np.uint8(0))
    return mask if ignored is None else np.where(ignored, np.uint8(IGNORE_INDEX), mask)
