"""The base of data modules for classification: one label per image."""

from __future__ import annotations

from typing import Any, ClassVar

from segbench.data.base import ImageData
from segbench.data.dataset import ClassificationDataset
from segbench.errors import ConfigError
from segbench.tasks import ByHandTask, ClassificationTask, Task


class ClassificationData(ImageData):
    """Images that each have one of ``class_names``; targets are labels uint8 (N,). There is no background.

    Args:
        **options: See :class:`segbench.data.base.ImageData`; ``tiles`` are not possible with one label per image.

    Raises:
        ConfigError: If an option is invalid.
    """

    tasks: ClassVar[tuple[type[Task[Any]], ...]] = (ByHandTask, ClassificationTask)
    dataset_class = ClassificationDataset

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.tiles != (1, 1):
            raise ConfigError(
                f"data.tiles={options['tiles']}: {self.name} has one label per image; use data.tiles=null"
            )
