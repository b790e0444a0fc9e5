"""GlaS at 128x128: gland images whose two stains are already unmixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from segbench.augmentation.copies import QuarterTurns
from segbench.data.cache import Pair
from segbench.data.objects import ObjectData
from segbench.data.records import Record, find_files, pair, require_root
from segbench.data.splits import check_fraction, split_official
from segbench.errors import ConfigError

PARTS = ("Train", "Test")
TURNS = {turn.name: turn for turn in (QuarterTurns(-90), QuarterTurns(180))}
_EXPECTED = "Train and Test, each with image_NN.png and label_NN.png"


class Glas128Data(ObjectData):
    """H&E images of colon glands, 128x128, as two stains; a course's version of the GlaS challenge (MICCAI 2015).

    ``{Train,Test}/image_NN.png`` (RGB: haematoxylin, eosin, and an empty third channel, which is not read) and
    ``label_NN.png`` (0, and 255 for gland). The original images: Sirinukunwattana et al., Medical Image Analysis 35,
    2017; ``data=glas`` reads them.

    File names do not identify patients, so every image is its own group: images of one patient may be on both sides of
    the official split (in the original some are), and intervals treat them as independent. Nor do labels distinguish
    touching glands: objects are connected components.

    Args:
        val_fraction: Fraction of ``Train`` that validates, drawn by ``split_seed``; at least one image. ``Test`` is the
            test split.
        turned: Adds copies rotated by -90 and 180 degrees to the training set: of the training images (``train``), as
            ``augmentation=quarter_turns`` does, or also of the validation images (``all``). The latter reproduces the
            leak of rotating images before splitting: it is there to measure that leak, not to train networks.
        **options: See :class:`SegmentationData`.

    Raises:
        ConfigError: If an option is invalid.
    """

    name = "glas128"
    class_names = ("background", "gland")
    in_channels = 2
    label_map = {0: 0, 255: 1}  # noqa: RUF012 - ClassVar in the base

    def __init__(
        self, *, val_fraction: float = 0.2, turned: Literal["train", "all"] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        if turned not in (None, "train", "all"):
            raise ConfigError(f"data.turned={turned}: choose train, all or null")
        if turned and self.fit_on != "train":
            raise ConfigError(f"data.turned={turned}: needs data.fit_on=train; augmentation=quarter_turns does not")
        if turned and self.folds is not None:
            raise ConfigError(f"data.turned={turned}: needs data.folds=null; augmentation=quarter_turns does not")
        check_fraction("val_fraction", val_fraction)
        self.val_fraction, self.turned = val_fraction, turned

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair images and labels of both folders.

        Raises:
            DataError: If the folder is missing or empty.
        """
        root = require_root(self.root, f"expected {_EXPECTED}")
        records, faults = [], []
        for part in PARTS:
            files = find_files(root / part, (".png",), _EXPECTED)
            images = [path for path in files if path.stem.startswith("image_")]
            labels = [path for path in files if path.stem.startswith("label_")]
            faults += [
                f"{path}: neither image_NN.png nor label_NN.png" for path in files if path not in images + labels
            ]
            pairs, more = pair(images, labels, _number, _number)
            records += [Record(f"{part}/{key}", f"{part}/{key}", image, label) for key, image, label in pairs]
            faults += more
        copied = [record for record in records if self.turned and record.id.startswith("Train/")]
        records += [replace(record, id=f"{record.id} {turn}") for turn in TURNS for record in copied]
        return records, faults

    def read(self, record: Record) -> Pair:
        """Return a record as stored, or its rotated copy: image (H,W,2) and mask uint8 (H,W).

        Raises:
            DataError: If a file is unusable.
        """
        image, mask = super().read(record)
        turn = _turn(record)
        return turn(image, mask) if turn else (image, mask)

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return ``Test`` as the test split, and ``Train`` split into training and validation images."""
        official = [record.id.startswith("Test/") for record in records]
        splits = split_official([record.group for record in records], official, self.val_fraction, self.split_seed)
        copies = [index for index in splits["val"] if _turn(records[index])]
        splits["val"] = [index for index in splits["val"] if index not in copies]
        if self.turned == "all":
            splits["train"] = sorted([*splits["train"], *copies])
        return splits


def _turn(record: Record) -> QuarterTurns | None:
    """Return the rotation of a record; None for an original image."""
    return next((turn for name, turn in TURNS.items() if record.id.endswith(f" {name}")), None)


def _number(path: Path) -> str:
    return path.stem.partition("_")[2]
