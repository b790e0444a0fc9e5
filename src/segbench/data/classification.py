"""The base of data modules whose images have one label each."""

from __future__ import annotations

from typing import Any, ClassVar

from segbench.data.base import ImageData
from segbench.data.dataset import ClassificationDataset
from segbench.errors import ConfigError
from segbench.tasks import ByHandTask, ClassificationTask, Task


class ClassificationData(ImageData):
    """Images with one of ``class_names`` each; targets are labels uint8 (N,). There is no background.

    Args:
        **options: See :class:`segbench.data.base.ImageData`; ``tiles`` are refused, as an image has one label.
    """

    tasks: ClassVar[tuple[type[Task[Any]], ...]] = (ByHandTask, ClassificationTask)
    dataset_class = ClassificationDataset

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.tiles != (1, 1):
            raise ConfigError(f"data.tiles={options['tiles']}: {self.name} has one label an image; leave it out")
