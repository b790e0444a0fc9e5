"""Cityscapes: street scenes of German cities, finely annotated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segbench.data.cache import Arrays, Pair
from segbench.data.cityscapes_labels import LABELS, choose_labels
from segbench.data.plane import Plane
from segbench.data.reading import check_same_size, map_labels, read_mask
from segbench.data.records import Record, require_root
from segbench.data.segmentation import SegmentationData
from segbench.data.splits import split_by_part
from segbench.data.volumes import VolumeSlices
from segbench.errors import ConfigError, DataError

SITE = "https://www.cityscapes-dataset.com"
SPLITS = ("train", "val")
_IMAGE, _LABEL = "_leftImg8bit.png", "_gtFine_labelIds.png"
_NO_LABELS = {
    "_gtFine_color.png": "colours are a picture and no labels",
    "_gtFine_labelTrainIds.png": "train ids cannot be told from ids",
    "_gtFine_instanceIds.png": "instances are no labels",
}
_SIZES = {"resize": (256, 512), "crop": (512, 512)}
_TRAIN_IDS = 255


class BilinearPlane(Plane):
    """A plane that resizes images bilinearly, the filter as wide as a new pixel where they shrink (Pillow's)."""

    def image(self, pixels: NDArray[Any], outside: float = 0.0) -> NDArray[Any]:
        """Return the image uint8 (h,w,3) of a frame uint8 (H,W,3)."""
        # Copies: what Pillow gives is read-only, which torch warns of.
        if pixels.shape[:2] == self.size:
            return pixels.copy()
        height, width = self.size
        return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


class CityscapesData(SegmentationData):
    """Cityscapes, fine annotations: 2,975 frames of 18 cities train, 500 of 3 others validate, 2048x1024 each.

    M. Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016.
    Frames are ``leftImg8bit/{train,val}/<city>/<frame>_leftImg8bit.png``, their labels
    ``gtFine/{train,val}/<city>/<frame>_gtFine_labelIds.png``; no other file is taken for a label. The splits are the
    official ones, which share no city (a frame's group); the labels of the test set were never released. A subset of
    the frames will do, all of one size.

    Args:
        labels: Classes: ``train_ids`` (the 19 of the benchmark, all else ignored), ``train_ids_void`` (all else is a
            20th class), or ``ids`` (all 34). None of them is a background: class 0 counts like any other.
        input: ``resize``: frames are resized (images bilinearly, labels by nearest neighbour). ``crop``: training sees
            a random crop of each frame, drawn by (seed, epoch, frame), and validation whole frames.
        size: Height and width that is resized to (256x512 by default), or of the crop (512x512 by default).
        frame: Height and width that frames are resized to before crops are drawn; None keeps theirs. Only for crops.
        normalise: Whether a channel's mean and deviation over the training frames become 0 and 1; else networks see
            values from 0 to 1.
        full_resolution_scores: Whether the final scores are taken of the frames' own size too (split ``val_full``):
            probabilities brought back bilinearly, against the labels as they were drawn. With crops of frames as they
            are these are validated at their own size anyway, and both splits are the same.
        **options: See :class:`SegmentationData`.
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
            raise ConfigError(f"data.frame={list(frame)}: is for crops; with data.input=resize set data.size")
        # Of this object, not of the class.
        self.class_names, self.label_map, self.class_colours = choose_labels(labels)  # type: ignore[misc]
        super().__init__(size=used if input == "resize" else frame, **options)
        if self.split_by != "group":
            raise ConfigError("data.split_by=image: the splits of cityscapes are the official ones; use group")
        if input == "crop" and self.resident is True:
            raise ConfigError("data.resident=true: crops are cut frame by frame; use data.resident=auto")
        if input == "crop" and self.tiles != (1, 1):
            raise ConfigError("data.tiles: crops are drawn from whole frames; leave it out, or use data.input=resize")
        self.crop = used if input == "crop" else None
        self.resident = False if input == "crop" else self.resident
        self.labels, self.normalise, self.full_resolution_scores = labels, normalise, full_resolution_scores

    # -- records and splits ------------------------------------------------------------------------

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair frames and labels of both splits by city and name."""
        get_it = f"get leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from {SITE} and unpack both there"
        root = require_root(self.root, get_it)
        records: list[Record] = []
        faults: list[str] = []
        for split in SPLITS:
            images = _files(root / "leftImg8bit" / split, _IMAGE)
            labels = _files(root / "gtFine" / split, _LABEL)
            faults += [_unlabelled(root, split, key, images[key]) for key in sorted(images.keys() - labels.keys())]
            faults += [f"{labels[key]}: label without image" for key in sorted(labels.keys() - images.keys())]
            both = sorted(images.keys() & labels.keys())
            records += [Record(f"{split}/{key}", key.partition("/")[0], images[key], labels[key]) for key in both]
            if not images:
                raise DataError(f"data.root={self.root}: leftImg8bit/{split}/<city>/*{_IMAGE} are not there; {get_it}")
        return records, faults + _shared_cities(records)

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the official split."""
        return split_by_part([record.id for record in records], {part: part for part in SPLITS})

    # -- frames ------------------------------------------------------------------------------------

    @cached_property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the first frame, and so of all."""
        path = self.records[0].image
        assert path is not None
        height, width = self.read_picture(path).shape[:2]
        return height, width

    def read(self, record: Record) -> Pair:
        """Return a record as it is stored: image uint8 (H,W,3) and mask uint8 (H,W).

        Raises:
            DataError: If a file is bad, or the frame is of another size than the first.
        """
        assert record.image is not None
        assert record.mask is not None
        image, mask = self.read_picture(record.image), self._read_labels(record.mask)
        check_same_size(image, mask, record.mask)
        if mask.shape != self.frame_size:
            (height, width), (first_height, first_width) = mask.shape, self.frame_size
            raise DataError(
                f"{record.image}: {width}x{height}, but {self.records[0].id} is {first_width}x{first_height};"
                " all frames must be of one size"
            )
        plane = self.prediction_plane(self.frame_size, None)
        return plane.image(image), plane.mask(mask, self.ignore_index)

    def _read_labels(self, path: Path) -> NDArray[np.uint8]:
        ids = read_mask(path, {value: value for value in range(256)})
        if (ids == _TRAIN_IDS).any():
            raise DataError(f"{path}: holds 255, as train ids do (labelTrainIds); ids are 0 to {len(LABELS) - 1}")
        return map_labels(ids, self.label_map, path)

    def prediction_plane(self, source: tuple[int, int], spacing: tuple[float, float] | None) -> Plane:
        """Return how a picture becomes an image like those trained on; with crops it stays as it is."""
        size = self.size or source
        return BilinearPlane(source, size, size)

    def volume_slices(self, split: str) -> list[VolumeSlices]:
        """Return the frames of a split as volumes of one slice, where their own size is to be scored too."""
        if not self.full_resolution_scores:
            return []
        plane = self.prediction_plane(self.frame_size, None)
        records = [self.records[index] for index in self.splits.get(split, [])]
        return [
            VolumeSlices(record.id, record.group, (position,), plane, self._truth(record))
            for position, record in enumerate(records)
        ]

    def _truth(self, record: Record) -> Any:
        assert record.mask is not None
        path = record.mask
        return lambda: self._read_labels(path)[None]

    # -- training ----------------------------------------------------------------------------------

    def setup(self, stage: str | None = None) -> None:
        """Set the data up.

        Raises:
            DataError: With every fault found.
            ConfigError: If the crop is larger than the frames.
        """
        super().setup(stage)
        if self.crop is None:
            return
        frame = self.size or self.frame_size
        if any(side > whole for side, whole in zip(self.crop, frame, strict=True)):
            (height, width), (whole_height, whole_width) = self.crop, frame
            raise ConfigError(
                f"data.size=[{height},{width}]: larger than the frames ([{whole_height},{whole_width}]);"
                " a crop must lie inside them"
            )

    def _measure(self, arrays: Arrays) -> None:
        super()._measure(arrays)
        if not self.normalise:
            self.mean, self.std = np.zeros_like(self.mean), np.ones_like(self.std)

    def _check_classes(self, counted: NDArray[np.int64]) -> None:
        super()._check_classes(counted)
        # A street scene without any of traffic sign, vegetation, sky, person, car, ...
        above = [self.label_map[label.id] for label in LABELS if label.id > 18 and label.train_id is not None]
        if not counted[above].any():
            raise DataError(
                f"data.root={self.root}: no label above 18 occurs (vegetation, sky, car, ...), as in train ids; the"
                f" labels must be the ids of *{_LABEL}"
            )


def _files(folder: Path, suffix: str) -> dict[str, Path]:
    """Return ``<city>/<frame>`` to file, of one split."""
    return {
        f"{path.parent.name}/{path.name.removesuffix(suffix)}": path
        for path in sorted(folder.glob(f"*/*{suffix}"))
        if not path.name.startswith(".")
    }


def _unlabelled(root: Path, split: str, key: str, image: Path) -> str:
    """Return the line for a frame without its label, with what lies there in its place."""
    for suffix, why in _NO_LABELS.items():
        if (other := root / "gtFine" / split / f"{key}{suffix}").is_file():
            return f"{image}: no {Path(key).name}{_LABEL}, only {other.name} ({why}); get gtFine_trainvaltest.zip"
    return f"{image}: image without label {Path(key).name}{_LABEL}"


def _shared_cities(records: Sequence[Record]) -> list[str]:
    parts = defaultdict[str, set[str]](set)
    for record in records:
        parts[record.group].add(record.id.partition("/")[0])
    return [
        f"leftImg8bit/{{{','.join(sorted(found))}}}/{city}: a city in two splits; keep it in one"
        for city, found in sorted(parts.items())
        if len(found) > 1
    ]
