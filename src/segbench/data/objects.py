"""Data whose foreground is made of objects (glands, cells), which are scored one by one at the end."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segbench.data.records import Record


class ObjectData:
    """Mixin of a data module: its images get object scores (:mod:`segbench.scores.objects`) in the final evaluation.

    Attributes:
        object_classes: The classes that are made of objects; None is every class but the background.
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
