"""Times loading an epoch's images from the cache against decoding and resizing each file."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from segbench.data.carvana import CarvanaData
from segbench.data.loader import Draw
from segbench.data.records import Record
from segbench.data.segmentation import SegmentationData

_ROUNDS = 5
_DECODED = 24


def carvana_epoch(folder: Path, data: str | None) -> tuple[float, float, str]:
    """Return the seconds per image from the cache, the seconds per decoded image, and a description of the files.

    Args:
        folder: For the cache, and for generated files if there are no real ones.
        data: Folder of the real data sets, or None.
    """
    root = Path(data or "") / "carvana"
    source = "Carvana's own files"
    if data is None or not root.is_dir():
        root = folder / "carvana"
        generate(root)
        source = "generated files of Carvana's size and formats (SEGBENCH_DATA has no carvana)"
    module = CarvanaData(root=str(root), size=[224, 224], cache_dir=folder / "cache")
    module.setup()
    records = [module.records[index] for index in module.splits["train"]][:_DECODED]
    return *cache_and_decoding(module, records), source


def cache_and_decoding(module: SegmentationData, records: Sequence[Record]) -> tuple[float, float]:
    """Return the seconds per training image from the cache and per decoded image, medians of several rounds.

    Args:
        module: The data module, after its setup.
        records: The records to decode.
    """
    train = module.datasets["train"]

    def from_cache() -> None:
        for index in range(len(train)):
            train[Draw(0, index)]

    def decode() -> None:
        for record in records:
            module.read(record)

    from_cache()
    cached, decoded = [], []
    for _ in range(_ROUNDS):
        cached.append(seconds(from_cache) / len(train))
        decoded.append(seconds(decode) / len(records))
    return statistics.median(cached), statistics.median(decoded)


def generate(root: Path, cars: int = 10, views: int = 4) -> None:
    """Write files of Carvana's size and formats: 1918x1280 JPEG photographs, palette GIF masks.

    Args:
        root: The folder to create.
        cars: Number of cars.
        views: Views per car.
    """
    (root / "train").mkdir(parents=True)
    (root / "train_masks").mkdir()
    chance = np.random.default_rng(0)
    for car in range(cars):
        for view in range(1, views + 1):
            name = f"car{car:02d}_{view:02d}"
            noise = Image.fromarray(chance.integers(0, 255, (80, 120, 3), dtype=np.uint8))
            noise.resize((1918, 1280), Image.Resampling.BICUBIC).save(root / "train" / f"{name}.jpg", quality=85)
            mask = np.zeros((1280, 1918), np.uint8)
            mask[400 : 900 + 5 * view, 300 : 1500 + 10 * car] = 1
            palette = Image.fromarray(mask, mode="P")
            palette.putpalette([0, 0, 0, 255, 255, 255])
            palette.save(root / "train_masks" / f"{name}_mask.gif")


def seconds(function: Callable[[], object]) -> float:
    """Return the duration of a call in seconds."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin
