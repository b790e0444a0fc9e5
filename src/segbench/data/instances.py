"""The object of each pixel of an image: as annotated, or else by connected components."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.records import Record
from segbench.scores.objects import components


def instances_of(data: Any, record: Record, mask: NDArray[np.uint8]) -> NDArray[np.integer[Any]]:
    """Return the object number of every pixel, for any data with masks.

    Args:
        data: The data module.
        record: One of its records.
        mask: The record's stored mask (H,W).

    Returns:
        (H,W), 0 for none: the annotated objects, or else the connected components of each class of objects.

    Raises:
        DataError: If a file is unusable.
    """
    annotated: NDArray[np.integer[Any]] | None = data.instances(record)
    if annotated is not None:
        return annotated
    found = np.zeros(mask.shape, np.int32)
    for name in data.object_classes or data.foreground:
        labels = components(mask == data.class_names.index(name))
        found = np.where(labels > 0, labels + found.max(), found)
    return found
