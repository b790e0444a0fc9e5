"""The base of data modules whose own masks overlap."""

from __future__ import annotations

from typing import Any, ClassVar

from segbench.data.dataset import ImageDataset, MultilabelDataset
from segbench.data.segmentation import SegmentationData
from segbench.errors import ConfigError
from segbench.masks import MOST_BITS
from segbench.tasks import MultilabelTask, Task


class MultilabelData(SegmentationData):
    """Images with classes that may overlap, for example one mask file per class; there is no background class.

    A new data set names its classes and overrides :meth:`find_records` and :meth:`read`, which packs the masks of an
    image into one (:func:`segbench.masks.bit_sets`). The result is resized, augmented and cached like any other mask.

    Args:
        **options: See :class:`segbench.data.segmentation.SegmentationData`; regions are unions of these classes.

    Raises:
        ConfigError: If there are more classes than a mask holds, or ``ignore`` is set.
    """

    tasks: ClassVar[tuple[type[Task[Any]], ...]] = (MultilabelTask,)
    dataset_class: ClassVar[type[ImageDataset]] = MultilabelDataset
    background = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.ignore:
            raise ConfigError(f"data.ignore={list(self.ignore)}: {self.name} has a mask per class; use null")
        if len(self.stored_key.names) > MOST_BITS:
            raise ConfigError(
                f"data: {len(self.stored_key.names)} overlapping classes; a mask holds {MOST_BITS}; leave some out"
            )
