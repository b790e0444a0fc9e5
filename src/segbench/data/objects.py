"""Data whose foreground consists of objects (glands, cells) that are scored individually at the end."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from segbench.data.records import Record
from segbench.scores.objects import components


class ObjectData:
    """Mixin for data modules whose images get object scores (:mod:`segbench.scores.objects`) in the final evaluation.

    Attributes:
        object_classes: Names of the classes that consist of objects; None for every foreground class.
    """

    object_classes: ClassVar[tuple[str, ...] | None] = None

    def instances(self, record: Record) -> NDArray[np.integer[Any]] | None:
        """Return the object number of each pixel of a record's mask, as annotated.

        Args:
            record: One of the data module's records.

        Returns:
            (H,W) on the grid of the scored mask, 0 for none; None if the data set does not label objects: they are then
            the connected components of each foreground class.

        Raises:
            DataError: If the file is unusable.
        """
        return None

    def scored_classes(self) -> tuple[str, ...]:
        """Return the names of the classes whose objects are scored."""
        names: tuple[str, ...] = cast(Any, self).class_names[1:]
        return names if self.object_classes is None else self.object_classes


def scored_classes(data: Any) -> tuple[str, ...]:
    """Return the names of the classes whose objects are scored; none for data that is not :class:`ObjectData`."""
    return data.scored_classes() if isinstance(data, ObjectData) else ()


def instances_of(data: Any, record: Record, mask: NDArray[np.uint8]) -> NDArray[np.integer[Any]]:
    """Return the object number of every pixel, for any data with masks.

    Args:
        data: The data module; if it is not :class:`ObjectData`, every foreground class consists of objects.
        record: One of its records.
        mask: The record's stored mask (H,W).

    Returns:
        (H,W), 0 for none: the annotated objects, or else the connected components of each class of objects.

    Raises:
        DataError: If a file is unusable.
    """
    is_objects = isinstance(data, ObjectData)
    annotated = data.instances(record) if is_objects else None
    if annotated is not None:
        return annotated
    names = (data.object_classes if is_objects else None) or data.class_names[1:]
    found = np.zeros(mask.shape, np.int32)
    for name in names:
        labels = components(mask == data.class_names.index(name))
        found = np.where(labels > 0, labels + found.max(), found)
    return found
