"""GlaS at 128x128: gland images whose two stains are already unmixed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segbench.data.objects import ObjectData
from segbench.data.records import Record, find_files, pair, require_root
from segbench.data.segmentation import SegmentationData
from segbench.data.splits import split_official
from segbench.errors import ConfigError

PARTS = ("Train", "Test")
_EXPECTED = "Train and Test, each with image_NN.png and label_NN.png"


class Glas128Data(ObjectData, SegmentationData):
    """H&E images of colon glands, 128x128, as two stains; a course's version of the GlaS challenge (MICCAI 2015).

    ``{Train,Test}/image_NN.png`` (RGB: haematoxylin, eosin, and an empty third channel, which is not read) and
    ``label_NN.png`` (0, and 255 for gland). The original images: Sirinukunwattana et al., Medical Image Analysis 35,
    2017; ``data=glas`` reads them.

    The names tell no patient, so every image is its own group: images of one patient may stand on both sides of the
    official split (in the original some do), and intervals take them for independent. Nor do the labels tell one gland
    from the next: objects are connected components.

    Args:
        val_fraction: Share of ``Train`` that validates, drawn by ``split_seed``; at least one image. ``Test`` is the
            test split.
        **options: See :class:`SegmentationData`.
    """

    name = "glas128"
    class_names = ("background", "gland")
    in_channels = 2
    label_map = {0: 0, 255: 1}  # noqa: RUF012 - ClassVar in the base

    def __init__(self, *, val_fraction: float = 0.2, **options: Any) -> None:
        super().__init__(**options)
        if not 0 < val_fraction < 1:
            raise ConfigError(f"data.val_fraction={val_fraction}: must lie between 0 and 1")
        self.val_fraction = val_fraction

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair images and labels of both folders."""
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
        return records, faults

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return ``Test`` as it is, and ``Train`` without and with the images drawn to validate."""
        official = [record.id.startswith("Test/") for record in records]
        return split_official([record.group for record in records], official, self.val_fraction, self.split_seed)


def _number(path: Path) -> str:
    return path.stem.partition("_")[2]
