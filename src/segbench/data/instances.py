"""Which object each pixel of an image belongs to: those that the annotators drew, else connected components."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.records import Record
from segbench.scores.objects import components


def instances_of(data: Any, record: Record, mask: NDArray[np.uint8]) -> NDArray[np.integer[Any]]:
    """Return the object of every pixel, for any data with masks.

    Args:
        data: The data module.
        record: One of its records.
        mask: The record's stored mask (H,W).

    Returns:
        (H,W), 0 for none: what the annotators drew, or else the connected components of each class of objects.

    Raises:
        DataError: If a file is bad.
    """
    drawn: NDArray[np.integer[Any]] | None = data.instances(record)
    if drawn is not None:
        return drawn
    found = np.zeros(mask.shape, np.int32)
    for name in data.object_classes or data.class_names[1:]:
        labels = components(mask == data.class_names.index(name))
        found = np.where(labels > 0, labels + found.max(), found)
    return found


def class_instances(
    data: Any, drawn: NDArray[np.integer[Any]], mask: NDArray[Any], index: int
) -> NDArray[np.integer[Any]]:
    """Return which object of one class each pixel belongs to, as it is scored; 0 for none.

    Objects of the only class that has any are whole, as they were drawn, also where the mask has another class in their
    place, as a boundary between cells that touch: what is scored is how well the objects were found, not how well a
    class that was made of them. Of data with several classes of objects one has the pixels of its class alone. What is
    labelled to be ignored belongs to no object.

    Args:
        data: The data module.
        drawn: What the annotators drew (H,W), of all classes.
        mask: Class indices (H,W).
        index: The class.
    """
    alone = len(data.object_classes or data.foreground) == 1
    return np.where(mask != data.ignore_index if alone else mask == index, drawn, 0)
