"""Cityscapes: street scenes of German cities, finely annotated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Arrays, Pair
from segbench.data.cityscapes_labels import LABELS, choose_labels
from segbench.data.file_names import entries
from segbench.data.grids import check_same_grid
from segbench.data.input_format import InputFormat
from segbench.data.reading import map_labels, read_mask
from segbench.data.records import Record, by_key, require_root
from segbench.data.segmentation import SegmentationData
from segbench.data.splits import split_by_part
from segbench.data.volumes import VolumeSlices
from segbench.errors import ConfigError, DataError

SITE = "https://www.cityscapes-dataset.com"
SPLITS = ("train", "val")
_IMAGE, _LABEL = "_leftImg8bit.png", "_gtFine_labelIds.png"
_NO_LABELS = {
    "_gtFine_color.png": "a colour picture, not labels",
    "_gtFine_labelTrainIds.png": "train ids cannot be told from ids",
    "_gtFine_instanceIds.png": "instances, not labels",
}
_SIZES = {"resize": (256, 512), "crop": (512, 512)}
_TRAIN_IDS = 255


class CityscapesData(SegmentationData):
    """Cityscapes, fine annotations: 2,975 training frames of 18 cities, 500 validation frames of 3 others, 2048x1024.

    M. Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016.
    Frames are ``leftImg8bit/{train,val}/<city>/<frame>_leftImg8bit.png``, their labels
    ``gtFine/{train,val}/<city>/<frame>_gtFine_labelIds.png``; no other file is accepted as labels. The splits are the
    official ones, which share no city (a frame's group); the labels of the test set were never released. A subset of
    the frames is enough; all must be of one size.

    Args:
        labels: Classes: ``train_ids`` (the benchmark's 19, everything else ignored), ``train_ids_void`` (everything
            else is a 20th class), or ``ids`` (all 34). None of them is a background: class 0 counts like any other.
        input: ``resize``: frames are resized (images bilinearly, labels by nearest neighbour). ``crop``: training sees
            a random crop of each frame, drawn by (seed, epoch, frame), and validation whole frames.
        size: Height and width that frames are resized to (256x512 by default), or of the crop (512x512 by default).
        frame: Height and width that frames are resized to before cropping; None keeps theirs. Only for crops.
        normalise: Whether each channel is scaled to mean 0 and standard deviation 1 over the training frames; else
            networks see values from 0 to 1.
        full_resolution_scores: Whether frames are also scored at their own size (split ``val_full``): probabilities
            resized bilinearly, against the original labels. With crops of unresized frames, validation is at their own
            size anyway, and both splits are the same.
        **options: See :class:`SegmentationData`.

    Raises:
        ConfigError: If an option is invalid.
    """

    name = "cityscapes"
    in_channels = 3
    background = False
    whole_suffix = "_full"

    def __init__(
        self,
        *,
        labels: str = "train_ids",
        input: str = "resize",
        size: Sequence[int] | None = None,
        frame: Sequence[int] | None = None,
        normalise: bool = True,
        full_resolution_scores: bool = False,
        **options: Any,
    ) -> None:
        if input not in _SIZES:
            raise ConfigError(f"data.input={input}: choose resize or crop")
        used = _SIZES[input] if size is None else (int(size[0]), int(size[1]))
        if frame is not None and input == "resize":
            raise ConfigError(f"data.frame={list(frame)}: only for crops; with data.input=resize set data.size")
        # On this object, not on the class.
        self.class_names, self.label_map, self.class_colours = choose_labels(labels)  # type: ignore[misc]
        super().__init__(size=used if input == "resize" else frame, **options)
        if self.split_by != "group":
            raise ConfigError("data.split_by=image: cityscapes has only its official splits; use data.split_by=group")
        if input == "crop" and self.resident is True:
            raise ConfigError("data.resident=true: crops are cut frame by frame; use data.resident=auto")
        if input == "crop" and self.tiles != (1, 1):
            raise ConfigError("data.tiles: crops are cut from whole frames; remove it, or use data.input=resize")
        self.crop = used if input == "crop" else None
        self.resident = False if input == "crop" else self.resident
        self.labels, self.normalise, self.full_resolution_scores = labels, normalise, full_resolution_scores

    # -- records and splits ------------------------------------------------------------------------

    def reads_at_once(self) -> bool:
        """Say that threads may read at once."""
        return True

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair frames and labels of both splits by city and name.

        Raises:
            DataError: If the folder is missing or empty.
        """
        get_it = f"download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from {SITE} and unpack both there"
        root = require_root(self.root, get_it)
        records: list[Record] = []
        faults: list[str] = []
        for split in SPLITS:
            images = _files(root / "leftImg8bit" / split, _IMAGE, faults)
            labels = _files(root / "gtFine" / split, _LABEL, faults)
            faults += [_unlabelled(root, split, key, images[key]) for key in sorted(images.keys() - labels.keys())]
            faults += [f"{labels[key]}: label without image" for key in sorted(labels.keys() - images.keys())]
            both = sorted(images.keys() & labels.keys())
            records += [Record(f"{split}/{key}", key.partition("/")[0], images[key], labels[key]) for key in both]
            if not images:
                raise DataError(f"data.root={self.root}: no leftImg8bit/{split}/<city>/*{_IMAGE}; {get_it}")
        return records, faults + _shared_cities(records)

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the official split."""
        return split_by_part([record.id for record in records], {part: part for part in SPLITS})

    # -- frames ------------------------------------------------------------------------------------

    @cached_property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the first frame, and therefore of all."""
        path = self.records[0].image
        assert path is not None
        height, width = self.read_picture(path).shape[:2]
        return height, width

    def read(self, record: Record) -> Pair:
        """Return a record as stored: image uint8 (H,W,3) and mask uint8 (H,W).

        Raises:
            DataError: If a file is unusable, or the frame's size differs from the first frame's.
        """
        assert record.image is not None
        assert record.mask is not None
        image, mask = self.read_picture(record.image), self._read_labels(record.mask)
        check_same_grid(image, mask, record)
        if mask.shape != self.frame_size:
            (height, width), (first_height, first_width) = mask.shape, self.frame_size
            raise DataError(
                f"{record.image}: {width}x{height}, but {self.records[0].id} is {first_width}x{first_height};"
                " all frames must be of one size"
            )
        plane = self.input_format().plane(self.frame_size, None)
        return plane.image(image), plane.mask(mask, self.ignore_index)

    def _read_labels(self, path: Path) -> NDArray[np.uint8]:
        ids = read_mask(path, {value: value for value in range(256)})
        if _TRAIN_IDS not in self.ignore and (ids == _TRAIN_IDS).any():
            raise DataError(f"{path}: contains 255, like train ids (labelTrainIds); ids are 0 to {len(LABELS) - 1}")
        return map_labels(ids, self.label_map, path)

    def input_format(self) -> InputFormat:
        """Return how a picture becomes an image like the training images; with crops it keeps its size."""
        return replace(super().input_format(), fit="bilinear")

    def volume_slices(self, split: str) -> list[VolumeSlices]:
        """Return the frames of a split as volumes of one slice, if they are also scored at their own size."""
        if not self.full_resolution_scores:
            return []
        plane = self.input_format().plane(self.frame_size, None)
        records = [self.records[index] for index in self.splits.get(split, [])]
        return [
            VolumeSlices(record.id, record.group, (position,), plane, (1.0, 1.0), self._truth(record))
            for position, record in enumerate(records)
        ]

    def _truth(self, record: Record) -> Any:
        assert record.mask is not None
        path = record.mask
        return lambda: self._read_labels(path)[None]

    # -- training ----------------------------------------------------------------------------------

    def setup(self, stage: str | None = None) -> None:
        """Find, check and cache the data, and set the crop of training frames.

        Raises:
            DataError: Listing every fault found.
            ConfigError: If the crop is larger than the frames.
        """
        super().setup(stage)
        if self.crop is None:
            return
        frame = self.size or self.frame_size
        if any(side > whole for side, whole in zip(self.crop, frame, strict=True)):
            (height, width), (whole_height, whole_width) = self.crop, frame
            raise ConfigError(
                f"data.size=[{height},{width}]: the crop is larger than the frames ([{whole_height},{whole_width}]);"
                " set a smaller one"
            )

    def _measure(self, arrays: Arrays) -> None:
        super()._measure(arrays)
        if not self.normalise:
            self.mean, self.std = np.zeros_like(self.mean), np.ones_like(self.std)

    def _check_classes(self, counted: NDArray[np.int64]) -> None:
        super()._check_classes(counted)
        # A street scene without any of traffic sign, vegetation, sky, person, car, ...
        above = [self.label_map[label.id] for label in LABELS if label.id > 18 and label.train_id is not None]
        if not counted[[index for index in above if index != self.ignore_index]].any():
            raise DataError(
                f"data.root={self.root}: no label above 18 occurs (vegetation, sky, car, ...), so these look like train"
                f" ids; use the ids of *{_LABEL}"
            )


def _files(folder: Path, suffix: str, faults: list[str]) -> dict[str, Path]:
    """Return the files of one split by ``<city>/<frame>``; adds a fault for each frame that several files have."""
    cities = [city for city in entries(folder) if city.is_dir()] if folder.is_dir() else []
    files = [path for city in cities for path in entries(city) if path.name.lower().endswith(suffix.lower())]
    return by_key(files, lambda path: f"{path.parent.name}/{path.name[: -len(suffix)]}", faults)


def _unlabelled(root: Path, split: str, key: str, image: Path) -> str:
    """Return the fault of a frame without its label, naming a similar file that is there instead."""
    for suffix, why in _NO_LABELS.items():
        if (other := root / "gtFine" / split / f"{key}{suffix}").is_file():
            return f"{image}: no {Path(key).name}{_LABEL}, only {other.name} ({why}); use gtFine_trainvaltest.zip"
    return f"{image}: image without label {Path(key).name}{_LABEL}"


def _shared_cities(records: Sequence[Record]) -> list[str]:
    parts = defaultdict[str, set[str]](set)
    for record in records:
        parts[record.group].add(record.id.partition("/")[0])
    return [
        f"leftImg8bit/{{{','.join(sorted(found))}}}/{city}: the same city in two splits; keep it in one"
        for city, found in sorted(parts.items())
        if len(found) > 1
    ]
