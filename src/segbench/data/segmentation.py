"""The base of data modules whose images have a class for every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.callbacks import ObjectScores, VolumeScores
from segbench.data.base import ImageData
from segbench.data.cache import Arrays, Pair
from segbench.data.dataset import ImageDataset, MultilabelDataset, SegmentationDataset
from segbench.data.objects import instances_of, scored_classes
from segbench.data.plane import Plane
from segbench.data.reading import check_same_size, read_image, read_mask, resize
from segbench.data.records import Record
from segbench.data.regions import Regions
from segbench.data.volumes import VolumeSlices
from segbench.data.weights import load_weights
from segbench.errors import ConfigError, DataError
from segbench.masks import MaskKey
from segbench.scores.objects import OBJECT_SCORES
from segbench.scores.seg import SEG
from segbench.tasks import MultilabelTask, SegmentationTask, Task


class SegmentationData(ImageData):
    """Images with a class for every pixel. A new data set overrides :meth:`find_records`, and names its classes.

    Args:
        regions: Unions of the classes to learn in their place (:mod:`segbench.data.regions`): name to classes. They may
            overlap, so the data is then for :class:`segbench.tasks.MultilabelTask`. A data set that names its classes
            in its constructor does so before it calls this one.
        **options: See :class:`segbench.data.base.ImageData`.

    Attributes:
        label_map: From the value stored in a mask to the class index.
        object_classes: Names of the classes that are made of objects, for :class:`segbench.data.objects.ObjectData`;
            None for every foreground class. Regions are not.
        whole_suffix: What follows a split's name where :meth:`volume_slices` are scored.
    """

    tasks: ClassVar[tuple[type[Task[Any]], ...]] = (SegmentationTask,)
    dataset_class: ClassVar[type[ImageDataset]] = SegmentationDataset
    label_map: ClassVar[Mapping[int, int]]
    object_classes: ClassVar[tuple[str, ...] | None] = None
    whole_suffix: ClassVar[str] = "_volumes"
    # Of a volume's intensities: what becomes 0 and the largest value.
    percentiles: tuple[float, float] = (1.0, 99.0)

    def __init__(self, *, regions: Mapping[str, Sequence[str]] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.regions: Regions | None = None
        if regions is not None:
            self._stored_key = self.mask_key
            self.regions = Regions(regions, self._stored_key)
            # Of this object, not of the class.
            self.tasks = self.tasks_of({"regions": regions})  # type: ignore[misc]
            self.dataset_class = MultilabelDataset  # type: ignore[misc]
            self.class_names, self.class_colours = self.regions.names, None  # type: ignore[misc]
            self.background, self.object_classes = False, ()  # type: ignore[misc]

    @classmethod
    def tasks_of(cls, options: Mapping[str, Any]) -> tuple[type[Task[Any]], ...]:
        """Return what it is for: of regions, which may overlap, multi-label segmentation."""
        return cls.tasks if options.get("regions") is None else (MultilabelTask,)

    @property
    def mask_key(self) -> MaskKey:
        """How the masks are read that are learnt and predicted."""
        return MaskKey(self.class_names, self.dataset_class.form, self.background, self.class_colours)

    @property
    def stored_key(self) -> MaskKey:
        """How the masks are read that are stored, of which regions are made."""
        return self.mask_key if self.regions is None else self._stored_key

    # -- masks -------------------------------------------------------------------------------------

    def read(self, record: Record) -> Pair:
        """Return a record as it is stored: image (H,W,C) and mask uint8 (H,W).

        Raises:
            DataError: If a file is bad.
        """
        assert record.image is not None
        assert record.mask is not None
        image = self.read_picture(record.image)
        mask = read_mask(record.mask, self.label_map)
        check_same_size(image, mask, record.mask)
        return resize(image, mask, self.size)

    def settings(self) -> dict[str, Any]:
        """Return what shapes the arrays."""
        return super().settings() | {"labels": {str(key): value for key, value in self.label_map.items()}}

    def learnt(self, arrays: Arrays) -> Arrays:
        """Return the arrays with the regions in place of the stored classes, if there are any.

        Raises:
            ConfigError: If the data set has named its classes too late.
        """
        if self.regions is None:
            return arrays
        if self.class_names != self.regions.names:
            raise ConfigError(f"data.regions: {type(self).__name__} names its classes after its base is built")
        return arrays.translated(self.regions.table)

    def learnt_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what is learnt of a stored mask uint8 (...): itself, or the regions as bit sets."""
        return mask if self.regions is None else self.regions.table[mask]

    def weigh(self, arrays: Arrays) -> Any:
        """Return a weight for each pixel of each record, float32 (N,H,W), if the loss asks for them, else None."""
        if self._pixel_weights is None:
            return None
        instances = partial(instances_of, self)
        return load_weights(
            arrays, self.records, self._pixel_weights, instances, self.settings(), self.cache_dir, self.root
        )

    def callbacks(self) -> list[pl.Callback]:
        """Return what scores whole volumes, and objects where the foreground is made of them."""
        objects = [ObjectScores(self)] if scored_classes(self) else []
        return [*super().callbacks(), VolumeScores(self), *objects]

    def groups(self) -> dict[str, str]:
        """Return the group of every image and every volume, by its id."""
        volumes = {volume.id: volume.group for split in self.splits for volume in self.volume_slices(split)}
        return super().groups() | volumes

    # -- what a prediction needs to know -----------------------------------------------------------

    def read_picture(self, path: Path) -> NDArray[Any]:
        """Return an image file's pixels (H,W,C) as this data set takes them, with the file's own size.

        Raises:
            DataError: If the file is bad.
        """
        return read_image(path, self.in_channels)

    def keep_sizes(self) -> None:
        """Take pictures at their own size from now on, to be predicted by windows.

        The constructor cannot be asked for it: there ``size=None`` may stand for a size of the data set's own.
        """
        self.size = None

    def prediction_plane(self, source: tuple[int, int], spacing: tuple[float, float] | None) -> Plane:
        """Return how a picture becomes an image like those trained on, and how predictions come back.

        Args:
            source: Height and width in pixels.
            spacing: Height and width of a pixel in mm, where the file tells.
        """
        size = self.size or source
        return Plane(source, size, size)

    def column_scores(self) -> Mapping[str, Sequence[str]]:
        """Return the scores of objects, where the foreground is made of them, with the classes that are."""
        objects = scored_classes(self)
        return dict.fromkeys((score.name for score in (*OBJECT_SCORES, SEG)), objects) if objects else {}

    def volume_slices(self, split: str) -> list[VolumeSlices]:
        """Return the volumes that a split's images are slices of, to score them whole; nothing for other data."""
        return []

    # -- helpers -----------------------------------------------------------------------------------

    def _fingerprint(self) -> str:
        # What is kept beside runs by this name holds the truth that they learnt.
        found = super()._fingerprint()
        return found if self.regions is None else self.regions.digest(found)

    def _count_classes(self, histogram: NDArray[np.int64]) -> NDArray[np.int64]:
        self._check_classes(self.stored_key.count(histogram))
        learnt = histogram if self.regions is None else self.regions.histogram(histogram)
        counted = self.mask_key.count(learnt)
        if not counted.any():
            raise DataError(f"data.root={self.root}: no training pixel is in a region; there is nothing to learn")
        return counted

    def _check_classes(self, counted: NDArray[np.int64]) -> None:
        if not self.stored_key.partial:
            super()._check_classes(counted)
        elif counted[self.stored_key.shown.start :].sum() == 0:
            raise DataError(f"data.root={self.root}: all training masks are background only; there is nothing to learn")
