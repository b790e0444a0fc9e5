"""The base of data modules for segmentation: one class per pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.callbacks import ColumnScorer, ColumnScores, VolumeScores
from segbench.data.base import ImageData
from segbench.data.cache import Arrays, Pair
from segbench.data.dataset import ImageDataset, MultilabelDataset, SegmentationDataset
from segbench.data.grids import check_same_grid
from segbench.data.input_format import InputFormat
from segbench.data.instances import instances_of
from segbench.data.reading import read_mask, resize
from segbench.data.records import Record
from segbench.data.regions import Regions
from segbench.data.volumes import VolumeSlices
from segbench.data.weights import load_weights
from segbench.errors import ConfigError, DataError
from segbench.masks import MaskKey
from segbench.tasks import MultilabelTask, SegmentationTask, Task

# Of a mask with 16 bits.
_LARGEST_VALUE = 65_535


class SegmentationData(ImageData):
    """Images with one class per pixel. A new data set overrides :meth:`find_records` and names its classes.

    Args:
        ignore: Stored value, or values, whose pixels count nowhere: in no loss, score or class frequency. It may be a
            value that is a class otherwise.
        regions: Unions of classes to learn instead of the classes (:mod:`segbench.data.regions`), by name. They may
            overlap, so the task is then :class:`segbench.tasks.MultilabelTask`. A data set that sets ``class_names`` in
            its constructor does so before calling this one.
        **options: See :class:`segbench.data.base.ImageData`.

    Attributes:
        label_map: From the value stored in a mask to the class index.
        object_classes: Names of the classes that consist of objects; None for every foreground class.
        whole_suffix: Appended to a split's name for the scores of :meth:`volume_slices`.
        percentiles: Percentiles of a volume's intensities that become 0 and the largest value.
    """

    tasks: ClassVar[tuple[type[Task[Any]], ...]] = (SegmentationTask,)
    labelled = "pixel"
    dataset_class: ClassVar[type[ImageDataset]] = SegmentationDataset
    label_map: ClassVar[Mapping[int, int]] = {}
    object_classes: ClassVar[tuple[str, ...] | None] = None
    whole_suffix: ClassVar[str] = "_volumes"
    percentiles: tuple[float, float] = (1.0, 99.0)

    def __init__(
        self,
        *,
        ignore: int | Sequence[int] | None = None,
        regions: Mapping[str, Sequence[str]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.ignore = (ignore,) if isinstance(ignore, int) else tuple(ignore or ())
        if self.ignore:
            self.label_map = self.with_ignored(self.label_map)  # type: ignore[misc]  # on this object, not on the class
        self.regions: Regions | None = None
        if regions is not None:
            self._learn(Regions(regions, self.mask_key))

    def _learn(self, regions: Regions) -> None:
        """Replace the classes by regions, on this object, not on the class."""
        self._stored_key, self.regions = self.mask_key, regions
        if not self._stored_key.form.overlapping:
            self.tasks, self.dataset_class = (MultilabelTask,), MultilabelDataset  # type: ignore[misc]
        self.class_names, self.class_colours = regions.names, None  # type: ignore[misc]
        self.background = False  # type: ignore[misc]

    def with_ignored(self, label_map: Mapping[int, int]) -> dict[int, int]:
        """Return a label map in which the values of ``ignore`` are ignored.

        Raises:
            ConfigError: If there are any but the labels are colours.
        """
        if self.ignore and any(isinstance(label, tuple) for label in label_map):
            raise ConfigError(f"data.ignore={list(self.ignore)}: {self.name} has colours as labels; use null")
        return {**label_map, **dict.fromkeys(self.ignore, self.ignore_index)}

    @property
    def mask_key(self) -> MaskKey:
        """How to read the masks that are learned and predicted."""
        return MaskKey(self.class_names, self.dataset_class.form, self.background, self.class_colours)

    @property
    def stored_key(self) -> MaskKey:
        """How to read the stored masks, of which regions are made."""
        return self.mask_key if self.regions is None else self._stored_key

    # -- masks -------------------------------------------------------------------------------------

    def read(self, record: Record) -> Pair:
        """Return a record as stored: image (H,W,C) and mask uint8 (H,W).

        Raises:
            DataError: If a file is unusable.
        """
        assert record.image is not None
        assert record.mask is not None
        image = self.read_picture(record.image)
        mask = read_mask(record.mask, self.label_map)
        check_same_grid(image, mask, record)
        return resize(image, mask, self.size)

    def settings(self) -> dict[str, Any]:
        """Return the settings that the stored arrays depend on."""
        return super().settings() | {"labels": {str(key): value for key, value in self.label_map.items()}}

    def learned(self, arrays: Arrays) -> Arrays:
        """Return the arrays with the regions, if there are any, instead of the stored classes.

        Raises:
            ConfigError: If the data set has set its class names too late.
        """
        if self.regions is None:
            return arrays
        if self.class_names != self.regions.names:
            raise ConfigError(f"data.regions: {type(self).__name__} sets class_names after super().__init__()")
        return arrays.translated(self.regions.table)

    def of_learned(self, digest: str) -> str:
        """Return the digest of data with these regions, from that of the stored classes."""
        # The truth that is kept beside runs is named by it.
        return digest if self.regions is None else self.regions.digest(digest)

    def learned_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the mask that is learned for a stored one, uint8 (...): itself, or its regions as bit sets."""
        return mask if self.regions is None else self.regions.table[mask]

    def weigh(self, arrays: Arrays) -> Any:
        """Return the pixel weights of all records, float32 (N,H,W), or None if the loss uses none."""
        if self._pixel_weights is None:
            return None
        instances = partial(instances_of, self)
        return load_weights(
            arrays,
            *(self.records, self._pixel_weights, instances, self.settings()),
            *(self.cache_dir, self.place, type(self)),
        )

    # -- for scores --------------------------------------------------------------------------------

    @property
    def foreground(self) -> tuple[str, ...]:
        """Names of the classes without background; all classes if there is none."""
        return self.class_names[1:] if self.background else self.class_names

    def pixel_spacing(self, record: Record) -> tuple[float, float]:
        """Return height and width of a pixel of a record's stored image, in ``unit``."""
        return 1.0, 1.0

    def instances(self, record: Record) -> NDArray[np.integer[Any]] | None:
        """Return the object number of each pixel of a record's mask, as annotated.

        Args:
            record: One of the data module's records.

        Returns:
            (H,W) on the grid of the scored mask, 0 for none; None if the data set does not label objects: they are then
            the connected components of each class of objects.

        Raises:
            DataError: If the file is unusable.
        """
        return None

    def class_instances(
        self, drawn: NDArray[np.integer[Any]], mask: NDArray[Any], index: int
    ) -> NDArray[np.integer[Any]]:
        """Return the object number of each pixel for the scores of one class; 0 for none.

        If only one class has objects, they are whole, as annotated, even where the mask has another class, such as a
        boundary between touching cells: the score is about finding the objects, not about a class derived from them.
        With several classes of objects, an object has only the pixels of its class. Ignored pixels belong to no object.

        Args:
            drawn: Annotated object numbers (H,W), of all classes.
            mask: The mask (H,W), as the data's key reads it.
            index: The class.

        Returns:
            (H,W).
        """
        alone = len(self.object_classes or self.foreground) == 1
        return np.where(mask != self.ignore_index if alone else self.mask_key.inside(mask, index), drawn, 0)

    def callbacks(self) -> list[pl.Callback]:
        """Return the callbacks that fill the columns of further scores and that score whole volumes."""
        scorer = ColumnScorer(self, self.score_columns())
        return [*super().callbacks(), VolumeScores(self, scorer), ColumnScores(self, scorer)]

    def groups(self) -> dict[str, str]:
        """Return the group of every image and every volume, by id."""
        volumes = {volume.id: volume.group for split in self.splits for volume in self.volume_slices(split)}
        return super().groups() | volumes

    # -- for predictions ---------------------------------------------------------------------------

    def input_format(self) -> InputFormat:
        """Return how image files become inputs of the network, as plain facts: checkpoints hold them, for new images.

        A data set that reads other images than 8-bit ones, or resamples them otherwise, overrides this.
        """
        return InputFormat(self.name, self.in_channels, self.scale, percentiles=self.percentiles, size=self.size)

    @final
    def read_picture(self, path: Path) -> NDArray[Any]:
        """Return an image file's pixels (H,W,C) in this data set's format, at the file's own size.

        Raises:
            DataError: If the file is unusable.
        """
        return self.input_format().read(path)

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a class whose images the command predict would read in another way than training."""
        super().__init_subclass__(**options)
        for name in ("read_picture", "prediction_plane"):
            if name in vars(cls):
                raise TypeError(f"{cls.__name__} overrides {name}; override input_format, or read")

    def stored_values(self) -> tuple[int | str, ...] | None:
        """Return the value, or the colour ``#RRGGBB``, by which masks store each class: of several the first.

        So a prediction that is written in these values is read by this data set as what was predicted. None where masks
        store something else than the classes: classes that overlap, or that are derived from objects.
        """
        first = {index: label for label, index in reversed([*self.label_map.items()])}
        if self.mask_key.form.overlapping or any(index not in first for index in range(len(self.class_names))):
            return None
        labels: list[Any] = [first[index] for index in range(len(self.class_names))]
        if any(isinstance(label, int) and not 0 <= label <= _LARGEST_VALUE for label in labels):
            return None
        return tuple(label if isinstance(label, int) else "#{:02X}{:02X}{:02X}".format(*label) for label in labels)

    def told_apart(self) -> tuple[str, ...]:
        """Return the classes whose objects are numbered in predictions: none, unless the data consists of objects."""
        return ()

    def volume_slices(self, split: str) -> list[VolumeSlices]:
        """Return the volumes that a split's images are slices of, to score them whole; none for other data."""
        return []

    # -- helpers -----------------------------------------------------------------------------------

    def _count_classes(self, histogram: NDArray[np.int64]) -> NDArray[np.int64]:
        self._check_classes(self.stored_key.count(histogram))
        counted = self.mask_key.count(self.regions.histogram(histogram) if self.regions else histogram)
        if not counted.any():
            raise DataError(f"data.root={self.root}: no training pixel is in a region; there is nothing to learn")
        return counted

    def _check_classes(self, counted: NDArray[np.int64]) -> None:
        if not self.stored_key.partial:
            super()._check_classes(counted)
        elif counted[self.stored_key.shown.start :].sum() == 0:
            raise DataError(f"data.root={self.root}: all training masks are background only; there is nothing to learn")
