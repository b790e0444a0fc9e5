"""What the values of a mask mean, for whatever stores, counts or draws masks.

A mask is uint8 (H,W), with 255 for ignored pixels. It holds the class index of each pixel or, if classes overlap, the
set of its classes as bits. Cropping, turning and nearest-neighbour resampling treat both alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.labels import IGNORE_INDEX

# Most classes of a bit set: without the eighth bit, no set equals 255.
MOST_BITS = 7


class MaskForm(Protocol):
    """How the value of a pixel encodes its classes."""

    @property
    def overlapping(self) -> bool:
        """Whether a pixel may have several classes, or none."""

    def values(self, index: int) -> NDArray[np.bool_]:
        """Return which of the 256 values include a class, bool (256,); 255 never does."""

    def largest(self, classes: int) -> int:
        """Return the largest value for this number of classes, apart from 255."""


class ClassIndices:
    """The value of a pixel is the index of its class."""

    overlapping = False

    def values(self, index: int) -> NDArray[np.bool_]:
        """Return which values include a class: only its index."""
        found = np.zeros(256, bool)
        found[index] = index != IGNORE_INDEX
        return found

    def largest(self, classes: int) -> int:
        """Return the last index."""
        return classes - 1


class BitSets:
    """Bit k of a pixel's value is set if the pixel has class k; 0 means no class."""

    overlapping = True

    def values(self, index: int) -> NDArray[np.bool_]:
        """Return which values include a class: those with its bit."""
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
    """A mask in which each value has one meaning, for files and viewers.

    Attributes:
        index: The class it shows; None for all classes.
        mask: uint8, with the shape of the original mask; 255 stays 255.
        names: Names of the values.
    """

    index: int | None
    mask: NDArray[np.uint8]
    names: dict[int, str]


@dataclass(frozen=True)
class MaskKey:
    """How to read a mask, and how pictures show its classes.

    Attributes:
        names: Names of the C classes.
        form: How values encode classes.
        background: Whether class 0 is background, which pictures leave out.
        colours: ``#RRGGBB`` of every class including class 0, for data that has its own; None for the project's.
    """

    names: tuple[str, ...]
    form: MaskForm = INDICES
    background: bool = True
    colours: tuple[str, ...] | None = None

    @property
    def shown(self) -> range:
        """Indices of the classes that pictures show: all except a background without a colour of its own."""
        return range(1 if self.background and self.colours is None else 0, len(self.names))

    @property
    def partial(self) -> bool:
        """Whether a pixel may have none of the shown classes."""
        return self.form.overlapping or len(self.shown) < len(self.names)

    def inside(self, mask: NDArray[Any], index: int) -> NDArray[np.bool_]:
        """Return where an integer mask (...) has a class, bool (...)."""
        return self.form.values(index)[mask]

    def count(self, histogram: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of pixels of each class, int64 (C,), from the number of each value, int64 (256,)."""
        return np.array([histogram[self.form.values(index)].sum() for index in range(len(self.names))], np.int64)

    def layers(self, mask: NDArray[np.uint8]) -> list[Layer]:
        """Return the mask itself or, if classes overlap, one mask for each: 1 inside the class, else 0."""
        if not self.form.overlapping:
            return [Layer(None, mask, dict(enumerate(self.names)))]
        ignored = mask == IGNORE_INDEX
        each = [np.where(ignored, IGNORE_INDEX, self.inside(mask, index)) for index in range(len(self.names))]
        return [Layer(index, part.astype(np.uint8), {1: self.names[index]}) for index, part in enumerate(each)]


def bit_sets(classes: Sequence[NDArray[np.bool_]], ignored: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Pack the masks of single classes into one.

    Args:
        classes: Where each class is, bool (H,W), in the order of the classes; at most :data:`MOST_BITS`.
        ignored: Pixels to ignore, bool (H,W); None for none.

    Returns:
        Bit sets, uint8 (H,W).

    Raises:
        ValueError: If there are more classes than bits.
    """
    if not 1 <= len(classes) <= MOST_BITS:
        raise ValueError(f"{len(classes)} overlapping classes; a mask holds 1 to {MOST_BITS}")
    mask = np.zeros(classes[0].shape, np.uint8)
    for index, inside in enumerate(classes):
        mask |= np.where(inside, np.uint8(1 << index), np.uint8(0))
    return mask if ignored is None else np.where(ignored, np.uint8(IGNORE_INDEX), mask)
