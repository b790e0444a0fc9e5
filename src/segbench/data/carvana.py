"""Kaggle Carvana: photographs of cars, 16 views of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segbench.data.file_names import IMAGES
from segbench.data.records import Record, find_files, pair, require_root
from segbench.data.segmentation import SegmentationData
from segbench.errors import ConfigError, DataError
from segbench.rng import generator

_HOW_TO_GET_IT = (
    "get it with: kaggle competitions download -c carvana-image-masking-challenge -f train_hq.zip && "
    "kaggle competitions download -c carvana-image-masking-challenge -f train_masks.zip, and unzip both there"
)


class CarvanaData(SegmentationData):
    """Carvana Image Masking Challenge (Kaggle 2017): cars against background, 318 cars with 16 views each.

    Reads ``train_hq``, or else ``train`` (``<car>_<view>.jpg``), and ``train_masks`` (``<car>_<view>_mask.gif``,
    palette images). The views of a car are near-duplicates, so each car is a group and is never split.

    Args:
        leak: To measure what a split by image leaks, on the same test images: of each test car every other view is
            tested, and the rest is left out (False), or trained on (True) in place of as many images of other cars.
            None for the ordinary split.
        options: As for :class:`segbench.data.segmentation.SegmentationData`.

    Raises:
        ConfigError: If ``leak`` is neither true, false nor None, or is set beside folds, a split by image or a number
            of training groups.
    """

    name = "carvana"
    group_name = "car"
    class_names = ("background", "car")
    in_channels = 3
    label_map = {0: 0, 1: 1, 255: 1}  # noqa: RUF012 - ClassVar in the base; re-saved masks store the car as 255

    def __init__(self, *, leak: bool | None = None, **options: Any) -> None:
        super().__init__(**options)
        if leak is not None and not isinstance(leak, bool):
            raise ConfigError(f"data.leak={leak}: must be true, false or null")
        if leak is not None and (self.folds is not None or self.split_by == "image"):
            raise ConfigError(f"data.leak={str(leak).lower()}: needs data.split_by=group and data.folds=null")
        if leak is not None and self.train_groups is not None:
            # Of as many cars, those that are tested have half the images.
            raise ConfigError(f"data.leak={str(leak).lower()}: needs data.train_groups=null, to train on as many")
        self.leak = leak

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the indices of each split, by car; with ``leak`` other views of the test cars may train.

        Raises:
            ConfigError: If they would have to stand for more images than train.
        """
        splits = super().split(records)
        if self.leak is None:
            return splits
        tested, train = splits["test"], splits["train"]
        others = tested[1::2]
        if len(others) > len(train):
            raise ConfigError(f"data.leak: {len(others)} views cannot take the place of {len(train)} training images")
        if self.leak:
            order = generator(self.split_seed, "leak").permutation(len(train))
            train = sorted([*(train[place] for place in order[len(others) :]), *others])
        return splits | {"train": train, "test": tested[::2]}

    def reads_at_once(self) -> bool:
        """Say that threads may read at once."""
        return True

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair photographs and masks by name.

        Raises:
            DataError: If the folder is missing or empty.
        """
        root = require_root(self.root, _HOW_TO_GET_IT)
        photographs = next((root / name for name in ("train_hq", "train") if (root / name).is_dir()), None)
        if photographs is None:
            raise DataError(f"data.root={self.root}: no folder train_hq or train; {_HOW_TO_GET_IT}")
        if not (root / "train_masks").is_dir():
            raise DataError(f"data.root={self.root}: no folder train_masks; {_HOW_TO_GET_IT}")
        images = find_files(photographs, IMAGES, "<car>_<view>.jpg")
        masks = find_files(root / "train_masks", IMAGES, "<car>_<view>_mask.gif")
        pairs, faults = pair(images, masks, lambda path: path.stem, _photograph_of)
        return [Record(key, key.rpartition("_")[0] or key, image, mask) for key, image, mask in pairs], faults


def _photograph_of(mask: Path) -> str:
    return mask.stem.removesuffix("_mask")
