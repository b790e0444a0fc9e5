"""Data whose foreground is made of objects (glands, cells), which are scored one by one at the end."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from segbench.data.records import Record
from segbench.scores.objects import components


class ObjectData:
    """Mixin of a data module: its images get object scores (:mod:`segbench.scores.objects`) in the final evaluation.

    Attributes:
        object_classes: Names of the classes that are made of objects; None for every foreground class.
    """

    object_classes: ClassVar[tuple[str, ...] | None] = None

    def instances(self, record: Record) -> NDArray[np.integer[Any]] | None:
        """Return which object each pixel of a record's mask belongs to, as the annotators drew them.

        Args:
            record: One of the data module's records.

        Returns:
            (H,W) on the grid of the mask that is scored, 0 for none; None where the data set tells no objects: they
            are then the connected components of each foreground class.

        Raises:
            DataError: If the file is bad.
        """
        return None

    def scored_classes(self) -> tuple[str, ...]:
        """Return the names of the classes whose objects are scored."""
        names: tuple[str, ...] = cast(Any, self).class_names[1:]
        return names if self.object_classes is None else self.object_classes


def scored_classes(data: Any) -> tuple[str, ...]:
    """Return the names of the classes whose objects are scored; none for data that is no :class:`ObjectData`."""
    return data.scored_classes() if isinstance(data, ObjectData) else ()


def instances_of(data: Any, record: Record, mask: NDArray[np.uint8]) -> NDArray[np.integer[Any]]:
    """Return the object of every pixel, for any data with masks.

    Args:
        data: The data module; of one that is no :class:`ObjectData` every foreground class is made of objects.
        record: One of its records.
        mask: The record's stored mask (H,W).

    Returns:
        (H,W), 0 for none: what the annotators drew, or else the connected components of each class of objects.

    Raises:
        DataError: If a file is bad.
    """
    is_objects = isinstance(data, ObjectData)
    drawn = data.instances(record) if is_objects else None
    if drawn is not None:
        return drawn
    names = (data.object_classes if is_objects else None) or data.class_names[1:]
    found = np.zeros(mask.shape, np.int32)
    for name in names:
        labels = components(mask == data.class_names.index(name))
        found = np.where(labels > 0, labels + found.max(), found)
    return found
