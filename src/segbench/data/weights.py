"""Pixel weights of a loss: computed once per image, cached, and augmented with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Arrays, Pair, fingerprint, load_arrays
from segbench.data.records import Record, raise_faults

Instances = Callable[[Record, NDArray[np.uint8]], NDArray[np.integer[Any]]]


class PixelWeights(Protocol):
    """Computes pixel weights: a loss (:class:`segbench.losses.SegmentationLoss`)."""

    def pixel_weights(self, mask: NDArray[np.uint8], instances: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the weight of each pixel, float32 (H,W), from its class and its object number (0 for none)."""

    def weight_settings(self) -> dict[str, Any] | None:
        """Return the settings that the weights depend on, as plain values; None if there are no weights."""


def load_weights(
    arrays: Arrays,
    records: Sequence[Record],
    weights: PixelWeights,
    instances: Instances,
    settings: dict[str, Any],
    cache_dir: Path,
    place: str,
    data: type,
) -> Any:
    """Return the pixel weights of all records, float32 (N,H,W) (a list if sizes differ), through the cache.

    Args:
        arrays: The stored images and masks.
        records: Their records, in the same order.
        weights: Computes the weights.
        instances: Returns the object number of each pixel, given a record and its mask.
        settings: The settings that the arrays depend on.
        cache_dir: Folder of all caches.
        place: The key that names the data, with its value, for the message.
        data: The data module's class.

    Raises:
        DataError: If instances cannot be read.
    """
    rows = {record.id: row for row, record in enumerate(records)}

    def read(record: Record) -> Pair:
        mask = np.asarray(arrays.targets[rows[record.id]])
        # The cache stores pairs; the second array is a placeholder.
        return weights.pixel_weights(mask, instances(record, mask)), np.zeros((1, 1), np.uint8)

    key = fingerprint(records, settings | {"weights": weights.weight_settings()})
    found, faults = load_arrays(records, key, cache_dir, read, type(weights), data)
    raise_faults(faults, place)
    return found.images
