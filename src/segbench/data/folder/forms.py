"""What the masks of an image become: class indices, the classes of single objects, or sets of overlapping classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.data.boundaries import with_boundary
from segbench.data.dataset import ImageDataset, MultilabelDataset, SegmentationDataset
from segbench.data.folder.classes import BACKGROUND, Classes
from segbench.data.formats.mask_file import MaskFile
from segbench.data.plane import Plane
from segbench.data.reading import class_indices, object_numbers
from segbench.errors import DataError
from segbench.labels import IGNORE_INDEX
from segbench.masks import bit_sets
from segbench.tasks import MultilabelTask, SegmentationTask, Task


class Form(Protocol):
    """From stored masks to the target of an image.

    Attributes:
        kind: Its name in checkpoints.
        numbered: Whether masks number objects.
        classes: The classes, and what masks store of them.
        boundary: Width in pixels of a class between objects; 0 for none.
        task: The task.
        dataset_class: The data set of this task.
        objects: The classes that consist of objects; None if they are not told apart.
    """

    kind: ClassVar[str]
    numbered: ClassVar[bool]

    @property
    def classes(self) -> Classes:
        """The classes."""

    @property
    def boundary(self) -> int:
        """The width of the boundary."""

    @property
    def task(self) -> type[Task[Any]]:
        """The task."""

    @property
    def dataset_class(self) -> type[ImageDataset]:
        """The data set."""

    @property
    def objects(self) -> tuple[str, ...] | None:
        """The classes of objects."""

    def target(self, masks: Sequence[MaskFile], plane: Plane) -> NDArray[np.uint8]:
        """Return the target uint8 (h,w) of an image's masks, resampled by a plane; 255 is ignored."""

    def instances(self, masks: Sequence[MaskFile], plane: Plane) -> NDArray[np.uint16] | None:
        """Return the object number of every pixel (h,w), 0 for none; None if masks do not number objects."""

    def present(self, values: Sequence[Sequence[Any]]) -> frozenset[int]:
        """Return the classes of an image, from the values that each of its masks stores."""


@dataclass(frozen=True)
class ClassMasks:
    """One mask with a class for every pixel."""

    classes: Classes
    objects: tuple[str, ...] | None = None
    kind: ClassVar[str] = "classes"
    numbered: ClassVar[bool] = False
    boundary: ClassVar[int] = 0
    task: ClassVar[type[Task[Any]]] = SegmentationTask
    dataset_class: ClassVar[type[ImageDataset]] = SegmentationDataset

    def target(self, masks: Sequence[MaskFile], plane: Plane) -> NDArray[np.uint8]:
        """Return the class indices."""
        return plane.mask(class_indices(masks[0], self.classes.labels), IGNORE_INDEX)

    def instances(self, masks: Sequence[MaskFile], plane: Plane) -> NDArray[np.uint16] | None:
        """Return None: masks of classes number no objects."""
        return None

    def present(self, values: Sequence[Sequence[Any]]) -> frozenset[int]:
        """Return the classes of the stored values or colours."""
        labels = [tuple(value) if isinstance(value, list) else value for value in values[0]]
        return frozenset(self.classes.labels.get(label, IGNORE_INDEX) for label in labels) - {IGNORE_INDEX}


@dataclass(frozen=True)
class InstanceMasks:
    """One mask with a number for every object, 0 for background; classes are derived from it.

    Attributes:
        boundary: Width in pixels of the class ``boundary`` (:func:`segbench.data.boundaries.with_boundary`); 0: none.
        ignore: Numbers whose pixels count nowhere.
    """

    classes: Classes
    boundary: int
    ignore: tuple[int, ...] = ()
    kind: ClassVar[str] = "instances"
    numbered: ClassVar[bool] = True
    task: ClassVar[type[Task[Any]]] = SegmentationTask
    dataset_class: ClassVar[type[ImageDataset]] = SegmentationDataset

    @classmethod
    def of(cls, name: str, boundary: int, ignore: Sequence[int]) -> InstanceMasks:
        """Return the form of objects of one class, by the class's name."""
        names = (BACKGROUND, name, "boundary")[: 3 if boundary else 2]
        return cls(Classes(names, {0: 0, 1: 1}), boundary, tuple(ignore))

    @property
    def objects(self) -> tuple[str, ...]:
        """The class of the objects."""
        return self.classes.names[1:2]

    def target(self, masks: Sequence[MaskFile], plane: Plane) -> NDArray[np.uint8]:
        """Return background, object and boundary, derived at the size that the network sees."""
        found = with_boundary(plane.mask(object_numbers(masks[0], self.ignore), 0), self.boundary)
        ignored = np.isin(masks[0].labels(), self.ignore).astype(np.uint8)
        # Padding is no background: it counts nowhere.
        found[plane.mask(ignored, 1) > 0] = IGNORE_INDEX
        return found

    def instances(self, masks: Sequence[MaskFile], plane: Plane) -> NDArray[np.uint16] | None:
        """Return the numbers as annotated."""
        return plane.mask(object_numbers(masks[0], self.ignore), 0)

    def present(self, values: Sequence[Sequence[Any]]) -> frozenset[int]:
        """Return all classes of an image with objects, and otherwise background."""
        objects = any(value and value not in self.ignore for value in values[0])
        return frozenset(range(len(self.classes.names)) if objects else (0,))


@dataclass(frozen=True)
class OverlappingMasks:
    """A mask for each class: everything that is not 0 is inside."""

    classes: Classes
    objects: tuple[str, ...] | None = None
    kind: ClassVar[str] = "overlapping"
    numbered: ClassVar[bool] = False
    boundary: ClassVar[int] = 0
    task: ClassVar[type[Task[Any]]] = MultilabelTask
    dataset_class: ClassVar[type[ImageDataset]] = MultilabelDataset

    @classmethod
    def of(cls, names: Sequence[str]) -> OverlappingMasks:
        """Return the form of these classes."""
        return cls(Classes(tuple(names), {}, background=False))

    def target(self, masks: Sequence[MaskFile], plane: Plane) -> NDArray[np.uint8]:
        """Return the classes of every pixel as bits."""
        if len(shapes := {mask.values.shape for mask in masks}) > 1:
            raise DataError(f"{masks[0].path}: the masks of its image have several sizes ({sorted(shapes)})")
        return plane.mask(bit_sets([_inside(mask) for mask in masks]), IGNORE_INDEX)

    def instances(self, masks: Sequence[MaskFile], plane: Plane) -> NDArray[np.uint16] | None:
        """Return None."""
        return None

    def present(self, values: Sequence[Sequence[Any]]) -> frozenset[int]:
        """Return the classes whose masks are not empty."""
        return frozenset(index for index, stored in enumerate(values) if any(np.any(value) for value in stored))


def _inside(mask: MaskFile) -> NDArray[np.bool_]:
    """Return where the mask of a class is not 0, or, if it stores colours, not black."""
    stored = mask.values.any(axis=2) if mask.values.ndim == 3 else mask.values
    if mask.palette is not None and not mask.palette[0].any() and len(mask.palette) > 1:
        return np.asarray(mask.palette[mask.values].any(axis=2))
    return np.asarray(stored != 0)
