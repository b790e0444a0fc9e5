"""The base of every data module: from records to batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl

from segbench.augmentation import Augmentation
from segbench.configuration.machine import check_memory
from segbench.data.cache import Arrays
from segbench.data.dataset import ImageDataset
from segbench.data.folded import FoldedData
from segbench.data.identified import IdentifiedData
from segbench.data.learned import LearnedData
from segbench.data.loader import BatchSize
from segbench.data.loaders import SCORED_TRAIN, NumWorkers
from segbench.data.records import Record
from segbench.data.scored import ScoredData
from segbench.data.split_checks import OnDuplicates, report_duplicates
from segbench.data.splits import check_disjoint, check_train_groups, split_groups
from segbench.data.tiles import check_tiles, parse_tiles
from segbench.data.weights import PixelWeights
from segbench.errors import ConfigError
from segbench.labels import IGNORE_INDEX
from segbench.scores.columns import ScoreColumns


class ImageData(FoldedData, LearnedData, ScoredData, IdentifiedData):
    """A data set and its splits, for any task.

    Data sets derive from :class:`SegmentationData` or :class:`segbench.data.classification.ClassificationData`.
    Nothing is read before :meth:`setup`.

    Args:
        cache_dir: Folder for the cache of decoded arrays.
        root: Folder of the data set.
        size: Height and width that images are resized to, or None to keep theirs.
        batch_size: Images per batch; ``all`` makes each split one batch (full-batch training).
        num_workers: Loader processes, or ``auto`` (for a GPU some, else 0); batches are bit-identical for any number.
        split_by: ``group`` keeps the images of a car, a patient and the like together; ``image`` does not.
        fit_on: ``train``, or ``train+val`` for a final model: no images are then left to choose an epoch by.
        resident: Whether the images are one tensor on the training device: True, False, or ``auto`` for whenever
            :func:`segbench.data.resident.obstacle` finds no obstacle. Batches are bit-identical.
        tiles: Rows and columns that training images are cut into, for example ``2x2``; None leaves them whole. Scored
            images are predicted tile by tile and joined, or by ``predict.window`` if that is set.
        score_train: Whether the training images are also scored at the end, unaugmented: how far they were memorised.
        folds: Number of folds of a cross-validation, instead of the data set's own split; None for that.
        fold: The fold that is tested, from 0; of the other groups a share validates and the rest trains.
        oversample: Images with a class that fewer than this share of the training images have are drawn more often
            (:func:`segbench.data.sampling.repeat_factors`); None draws all alike.
        train_groups: Number of groups to train on, as for a learning curve: drawn from those of the training split by
            ``split_seed``, a larger number adding to a smaller one. None for all.
        split_seed: Seed of the split or the folds. It is not the run's seed: runs that are compared share test images.
        augmentation: Applied to training images, after the split; None for one that leaves them as they are.
        seed: The run's seed (order and augmentation).
        on_duplicates: What happens if images in two parts of the split are equal: ``warn`` or ``error``.
        scores: Further scores of the final evaluation, by what the configuration calls them.

    Attributes:
        background: Whether class 0 of a segmentation is background, which scores leave out by default.
        class_colours: Colour of every class in pictures, ``#RRGGBB``; None for the project's own palette.
        in_channels: Channels of the images.
        place: The key that names the data, with its value, for messages.
        crop: Height and width of the random crops that training sees; None for whole images.
        records, splits, datasets, mean, std, class_pixels, class_frequencies, fingerprint, content: Known after
            :meth:`setup`.

    Raises:
        ConfigError: If an option is invalid.
    """

    name: str
    background: ClassVar[bool] = True
    class_colours: ClassVar[tuple[str, ...] | None] = None
    in_channels: ClassVar[int]
    dataset_class: ClassVar[type[ImageDataset]]
    ignore_index: ClassVar[int] = IGNORE_INDEX
    crop: tuple[int, int] | None = None
    group_name: str | None = None  # what a group of images is, in one word, for reports: car, patient
    # What has a label, for messages.
    labelled: ClassVar[str] = "image"
    fractions: ClassVar[Mapping[str, float]] = {"train": 0.8, "val": 0.1, "test": 0.1}
    # Largest value of the stored images.
    scale: ClassVar[float] = 255.0

    def __init__(
        self,
        cache_dir: Path,
        root: str | None = None,
        size: Sequence[int] | None = None,
        batch_size: BatchSize = 4,
        num_workers: NumWorkers = 0,
        split_by: str = "group",
        fit_on: str = "train",
        folds: int | None = None,
        fold: int | None = None,
        resident: bool | Literal["auto"] = "auto",
        tiles: str | None = None,
        score_train: bool = False,
        oversample: float | None = None,
        train_groups: int | None = None,
        split_seed: int = 0,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        on_duplicates: OnDuplicates = "warn",
        scores: Mapping[str, ScoreColumns] | None = None,
    ) -> None:
        super().__init__()
        if split_by not in ("group", "image"):
            raise ConfigError(f"data.split_by={split_by}: choose group or image")
        if fit_on not in ("train", "train+val"):
            raise ConfigError(f"data.fit_on={fit_on}: choose train or train+val")
        self.set_fold(folds, fold)
        self.on_duplicates = on_duplicates
        self.fit_on, self.resident, self.tiles = fit_on, resident, parse_tiles(tiles)
        self.score_train, self.oversample = score_train, oversample
        self.train_groups = check_train_groups(train_groups)
        self.cache_dir = Path(cache_dir)
        self.root = None if root is None else Path(root)
        self.place = f"data.root={self.root}"
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.batch_size, self.num_workers = batch_size, num_workers
        self.split_by, self.split_seed = split_by, split_seed
        self.augmentation, self.seed = Augmentation() if augmentation is None else augmentation, seed
        self.scores = dict(scores or {})
        self.records: list[Record] = []
        self.splits: dict[str, list[int]] = {}
        self.datasets: dict[str, ImageDataset] = {}
        self._pixel_weights: PixelWeights | None = None

    @property
    def validates(self) -> bool:
        """Whether there are images to validate on after each epoch."""
        return self.fit_on == "train"

    @property
    def training_size(self) -> tuple[int, int] | None:
        """Height and width of what training sees: crops, tiles or images; None if not known before they are read."""
        if self.crop is not None or self.size is None:
            return self.crop
        return self.size[0] // self.tiles[0], self.size[1] // self.tiles[1]

    def weigh_by(self, loss: PixelWeights) -> None:
        """Add a loss's pixel weights to every item, if the loss has any; call before :meth:`setup`.

        Args:
            loss: The loss that a network is trained with.
        """
        self._pixel_weights = None if loss.weight_settings() is None else loss

    def callbacks(self) -> list[pl.Callback]:
        """Return the callbacks that training on this data needs, new ones for each training."""
        return self.augmentation.callbacks()

    def groups(self) -> dict[str, str]:
        """Return the group of everything that is scored, by id."""
        return {record.id: record.group for record in self.records}

    # -- for a data set to define or override ------------------------------------------------------

    def inspect(self) -> None:
        """Learn what must be known before a network is built, channels and classes; most data sets know."""

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the indices of ``train``, ``val`` and, if it has labels, ``test``; by ``fractions``."""
        if self.split_by == "image":
            return split_groups([record.id for record in records], self.fractions, self.split_seed)
        groups = [record.group for record in records]
        splits = split_groups(groups, self.fractions, self.split_seed)
        check_disjoint(groups, splits)
        return splits

    def assign(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the indices of the records of each split: the data set's own, or a fold's."""
        return self.fitted(records, self.split(records) if self.folds is None else self.split_fold(records))

    # -- Lightning's hooks -------------------------------------------------------------------------

    def setup(self, stage: str | None = None) -> None:
        """Find, check, split and cache the data; a second call does nothing.

        Raises:
            DataError: Listing every fault found.
            ConfigError: If images of several sizes would have to be batched.
        """
        if self.datasets:
            return
        self.divide()
        self.announce()
        records = self.records
        if self.size is not None:
            whole = self.tiles == (1, 1) and self.crop is None
            batch = (len(records) if self.batch_size == "all" else min(self.batch_size, len(records))) if whole else 1
            check_memory(self.size, batch, self.in_channels, self.num_classes)
        arrays = self.read_arrays()
        sizes = {image.shape[:2] for image in arrays.images} if isinstance(arrays.images, list) else {}
        if sizes and self.batch_size != 1:
            raise ConfigError(
                f"data.size=null: the images have {len(sizes)} sizes and cannot be batched; "
                f"set data.size, or data.batch_size=1 (now {self.batch_size})"
            )
        check_tiles(self.tiles, arrays.images)
        report_duplicates(arrays.images, self.splits, records, self.place, self.on_duplicates)
        weights = self.weigh(arrays)
        self._measure(arrays)
        arrays = self.learned(arrays)
        for split, indices in self.splits.items():
            plain = partial(
                self.dataset_class,
                *(arrays, indices, records, self.mean, self.std, self.scale),
                weights=weights,
                num_classes=self.num_classes,
            )
            if split != "train" or self.score_train:
                self.datasets[SCORED_TRAIN if split == "train" else split] = plain()
            if split == "train":
                self.datasets[split] = plain(
                    augmentation=self.augmentation, seed=self.seed, tiles=self.tiles, crop=self.crop
                )

    def weigh(self, arrays: Arrays) -> Any:
        """Return the pixel weights of all records, float32 (N,H,W), or None if the loss uses none."""
        return None

    def summary(self) -> dict[str, Any]:
        """Return the sizes of the splits and the class frequencies of the training set."""
        colours = {} if self.class_colours is None else {"class_colours": list(self.class_colours)}
        return colours | {
            "name": self.name,
            "images": {split: len(indices) for split, indices in self.splits.items()},
            "groups": {split: len({self.records[i].group for i in indices}) for split, indices in self.splits.items()},
            "group": self.group_name,
            "class_frequencies": dict(zip(self.class_names, self.class_frequencies.round(6).tolist(), strict=True)),
            "fingerprint": self.fingerprint,
            "content": self.content,
            "split": self.split_digest(),
        }
