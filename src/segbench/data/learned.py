"""What is learned from a data module: its task, its classes, and whether the training set has any."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segbench.augmentation import Augmentation
from segbench.data.cache import Arrays
from segbench.data.dataset import ImageDataset
from segbench.data.measure import measure_training
from segbench.data.split_checks import report_absent
from segbench.errors import DataError
from segbench.labels import IGNORE_INDEX
from segbench.tasks import Task


class LearnedData:
    """The part of a data module that the task and the targets are chosen by.

    Attributes:
        tasks: The task; of several classes, which have one name, the first that trains the network.
        class_names: All classes; for a segmentation, background first if there is one.
    """

    tasks: ClassVar[tuple[type[Task[Any]], ...]]
    class_names: ClassVar[tuple[str, ...]]
    dataset_class: ClassVar[type[ImageDataset]]
    in_channels: ClassVar[int]
    labelled: ClassVar[str]
    scale: ClassVar[float]
    augmentation: Augmentation
    place: str
    root: Path | None
    splits: dict[str, list[int]]
    tiles: tuple[int, int]

    def task_for(self, network: type) -> type[Task[Any]]:
        """Return the task that trains networks of a class on this data."""
        return next(task for task in self.tasks if task.trains(network))

    @property
    def num_classes(self) -> int:
        """Number of classes, for a segmentation including background."""
        return len(self.class_names)

    def learned(self, arrays: Arrays) -> Arrays:
        """Return the arrays with the targets that are learned; for most data, those that are stored."""
        return arrays

    def _measure(self, arrays: Arrays) -> None:
        """Compute the training set's mean and standard deviation per channel (in [0,1]) and its class frequencies."""
        train = (self.splits["train"], self.augmentation, self.dataset_class, self.tiles)
        self.mean, self.std, histogram = measure_training(arrays, *train, self.in_channels, self.scale)
        self.class_pixels: NDArray[np.int64] = self._count_classes(histogram)
        labelled = histogram.sum() - histogram[IGNORE_INDEX]
        self.class_frequencies: NDArray[np.float64] = self.class_pixels / labelled
        report_absent(self.class_names, self.class_pixels, self.labelled, self.place)

    def _count_classes(self, histogram: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how often each class occurs in the training set, int64 (C,).

        Args:
            histogram: How often each value occurs in the stored targets, int64 (256,).

        Raises:
            DataError: If there is nothing to learn.
        """
        counted = histogram[: self.num_classes]
        self._check_classes(counted)
        return counted

    def _check_classes(self, counted: NDArray[np.int64]) -> None:
        """Check that the training labels have something to learn.

        Args:
            counted: How often each stored class occurs in the training set, int64 (C,).

        Raises:
            DataError: If they do not.
        """
        if np.count_nonzero(counted) < 2:
            raise DataError(f"data.root={self.root}: all training labels are of one class; there is nothing to learn")
