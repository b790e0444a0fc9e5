"""Cardiac MR course set: 120 labelled short-axis images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segbench.data.file_names import IMAGES
from segbench.data.records import Record, find_files, pair, require_root
from segbench.data.segmentation import SegmentationData
from segbench.data.splits import split_by_part
from segbench.errors import ConfigError


class CMRData(SegmentationData):
    """Short-axis cardiac MR images, 96x96 grey, with right ventricle, myocardium and left ventricle.

    ``{train,val}/image/cmrN.png`` and ``{train,val}/mask/cmrN_mask.png``. The labels of ``test`` were never
    released, so the official split has no test scores; patients are not identified, so every image is a group.

    Args:
        split: ``official`` (100 train, 20 val; the final scores are those of val, on which the best epoch was chosen
            too) or ``resplit`` (train and val together, split 80/10/10 by ``split_seed``).
        **options: See :class:`SegmentationData`.

    Raises:
        ConfigError: If an option is invalid.
    """

    name = "cmr"
    class_names = ("background", "right ventricle", "myocardium", "left ventricle")
    in_channels = 1
    label_map = {0: 0, 1: 1, 2: 2, 3: 3}  # noqa: RUF012 - ClassVar in the base

    def __init__(self, *, split: str = "official", **options: Any) -> None:
        super().__init__(**options)
        if split not in ("official", "resplit"):
            raise ConfigError(f"data.split={split}: choose official or resplit")
        self.split_kind = split

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair images and masks of both folders.

        Raises:
            DataError: If the folder is missing or empty.
        """
        root = require_root(self.root)
        records, faults = [], []
        for folder in ("train", "val"):
            images = find_files(root / folder / "image", IMAGES, "cmrN.png")
            masks = find_files(root / folder / "mask", IMAGES, "cmrN_mask.png")
            pairs, more = pair(images, masks, lambda path: path.stem, lambda path: path.stem.removesuffix("_mask"))
            records += [Record(f"{folder}/{key}", f"{folder}/{key}", image, mask) for key, image, mask in pairs]
            faults += more
        return records, faults

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the official split, or a random split of all labelled images."""
        if self.split_kind == "resplit":
            return super().split(records)
        return split_by_part([record.id for record in records], {"train": "train", "val": "val"})
