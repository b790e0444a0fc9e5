"""Weights of pixels that a loss asks for: computed once for each image, cached, and moved with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Arrays, Pair, fingerprint, load_arrays
from segbench.data.records import Record, refuse

Instances = Callable[[Record, NDArray[np.uint8]], NDArray[np.integer[Any]]]


class PixelWeights(Protocol):
    """What weighs the pixels of an image: a loss (:class:`segbench.losses.SegmentationLoss`)."""

    def pixel_weights(self, mask: NDArray[np.uint8], instances: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the weight of each pixel, float32 (H,W), from its class and its object (0 for none)."""

    def weight_settings(self) -> dict[str, Any] | None:
        """Return what shapes the weights, plain values; None where nothing is weighed."""


def load_weights(
    arrays: Arrays,
    records: Sequence[Record],
    weights: PixelWeights,
    instances: Instances,
    settings: dict[str, Any],
    cache_dir: Path,
    root: Path | None,
) -> Any:
    """Return the weights of all records, float32 (N,H,W) (a list where sizes differ), through the cache.

    Args:
        arrays: The stored images and masks.
        records: Theirs, in the same order.
        weights: What weighs.
        instances: From a record and its mask to the object of each pixel.
        settings: What shapes the arrays.
        cache_dir: Folder of the caches.
        root: Folder of the data set, for the message.

    Raises:
        DataError: If instances cannot be read.
    """
    rows = {record.id: row for row, record in enumerate(records)}

    def read(record: Record) -> Pair:
        mask = np.asarray(arrays.targets[rows[record.id]])
        # The cache stores pairs; of the second there is nothing to keep.
        return weights.pixel_weights(mask, instances(record, mask)), np.zeros((1, 1), np.uint8)

    key = fingerprint(records, settings | {"weights": weights.weight_settings()})
    found, faults = load_arrays(records, key, cache_dir, read)
    refuse(faults, root)
    return found.images
