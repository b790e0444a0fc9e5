"""Statistics of a training set, measured before training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.augmentation import Augmentation
from segbench.data.cache import Arrays, Pair
from segbench.data.dataset import ImageDataset, cut
from segbench.runs.files import read_json, write_json

# Values held in memory at once.
_VALUES = 2**22
# What was kept by this file when it was another one is measured again.
_CODE = hashlib.blake2b(Path(__file__).read_bytes(), digest_size=16).hexdigest()
# A constant channel has no standard deviation to divide by.
_LEAST_VARIANCE = 1e-6
Statistics = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


def measure_training(
    arrays: Arrays,
    indices: Sequence[int],
    augmentation: Augmentation | None,
    dataset_class: type[ImageDataset],
    tiles: tuple[int, int],
    channels: int,
    scale: float,
) -> Statistics:
    """Measure training images and their copies; without copies, only once for as long as their cache lasts.

    Args:
        arrays: Arrays of all records.
        indices: The training records.
        augmentation: Makes the copies; None for no copies.
        dataset_class: Knows how a target is transformed with its image.
        tiles: Rows and columns that images are cut into before they are copied.
        channels: Channels of an image.
        scale: Largest value of the stored images.

    Returns:
        As :func:`measure`.
    """
    stacks = training_stacks(arrays, indices, augmentation, dataset_class, tiles)
    if arrays.folder is None or (augmentation is not None and augmentation.copies):
        return measure(stacks, channels, scale)
    table = None if arrays.table is None else arrays.table.tolist()
    asked = _digest([_CODE, [int(index) for index in indices], scale, table])
    # In the folder of the cache: one that is rebuilt loses it.
    path = arrays.folder / f"statistics-{asked}.json"
    known = read_json(path) or {}
    if known.get("digest") == _digest(known.get("values")):
        mean, std, histogram = known["values"]
        return np.array(mean), np.array(std), np.array(histogram, dtype=np.int64)
    measured = measure(stacks, channels, scale)
    values = [array.tolist() for array in measured]
    with suppress(OSError):  # a folder that cannot be written to holds the arrays all the same
        write_json(path, {"digest": _digest(values), "values": values})
    return measured


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def measure(stacks: Iterable[Pair], channels: int, scale: float) -> Statistics:
    """Measure intensities and label frequencies.

    Args:
        stacks: Images (n,H,W,C) with their targets uint8 (n,...).
        channels: C.
        scale: Largest value of the stored images.

    Returns:
        Mean and standard deviation of each channel of images scaled to [0,1], float64 (C,), and the histogram of the
        targets, int64 (256,).
    """
    pixels = 0
    total, squares = np.zeros(channels), np.zeros(channels)
    histogram = np.zeros(256, dtype=np.int64)
    for images, targets in stacks:
        scaled = images.astype(np.float64) / scale
        total += scaled.sum(axis=(0, 1, 2))
        squares += np.square(scaled).sum(axis=(0, 1, 2))
        pixels += scaled[..., 0].size
        histogram += np.bincount(targets.ravel(), minlength=256)
    mean = total / pixels
    return mean, np.sqrt(np.maximum(squares / pixels - mean**2, _LEAST_VARIANCE)), histogram


def training_stacks(
    arrays: Arrays,
    indices: Sequence[int],
    augmentation: Augmentation | None,
    dataset_class: type[ImageDataset],
    tiles: tuple[int, int] = (1, 1),
) -> Iterator[Pair]:
    """Yield training images (n,H,W,C) with their targets, as many at a time as memory allows, then their copies.

    Args:
        arrays: Arrays of all records; if sizes differ, images are yielded one by one.
        indices: The training records.
        augmentation: Makes the copies; None for no copies.
        dataset_class: Knows how a target is transformed with its image.
        tiles: Rows and columns that images are cut into before they are copied.
    """
    sizes_differ = isinstance(arrays.images, list)
    step = 1 if sizes_differ else max(_VALUES // int(np.prod(arrays.images.shape[1:])), 1)
    for start in range(0, len(indices), step):
        rows = list(indices[start : start + step])
        if sizes_differ:
            images, targets = arrays.images[rows[0]][None], arrays.targets[rows[0]][None]
        else:
            images, targets = np.asarray(arrays.images[rows]), np.asarray(arrays.targets[rows])
        yield images, targets
        for copy in augmentation.copies if augmentation is not None else ():
            for tile in range(tiles[0] * tiles[1]):
                parts = (images, targets) if tiles == (1, 1) else _tile_of_each(images, targets, tiles, tile)
                yield dataset_class.transformed_stack(copy, *parts)


def _tile_of_each(images: NDArray[Any], targets: NDArray[Any], tiles: tuple[int, int], number: int) -> Pair:
    return np.stack([cut(image, tiles, number) for image in images]), np.stack([cut(t, tiles, number) for t in targets])
