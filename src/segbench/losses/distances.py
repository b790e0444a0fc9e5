"""Distances to the nearest and the second nearest object of an image."""

from __future__ import annotations

from itertools import combinations, islice
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt


def two_nearest(instances: NDArray[np.integer[Any]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the exact Euclidean distance of every pixel to the nearest object and to the second nearest.

    One distance transform gives the nearest object. The second nearest is found without a transform for each object:
    every object gets a code, a set of k of t bits, and a transform is made for each bit, to the objects that have it.
    To a pixel whose nearest object is A, the second is then the least over the bits that A has not: none of those
    transforms sees A, and every other object has one of these bits, because no set of k bits contains another
    (Sperner). So it is exact for any shapes, touching or in pieces, and needs no neighbourhoods. t is the least number
    with comb(t, t // 2) codes or more: 10 transforms for 171 objects, 11 for 300, 19 for 65535.

    Args:
        instances: (H,W), the object of each pixel, 0 for none; numbers may be missing, objects in several pieces.

    Returns:
        Two arrays float32 (H,W), in pixels between the centres of pixels; the first is 0 inside an object. Infinite
        where there is no such object: both without objects, the second with one object.

    Raises:
        ValueError: If ``instances`` is not (H,W) of integers that are 0 or more.
    """
    if instances.ndim != 2 or instances.dtype.kind not in "iu":
        raise ValueError(f"instances: must be integers (H,W), not {instances.dtype} {instances.shape}")
    numbers = np.unique(instances[instances != 0])
    if len(numbers) and numbers[0] < 0:
        raise ValueError(f"instances: objects are numbered from 1, the least is {numbers[0]}")
    first = second = np.full(instances.shape, np.inf, np.float32)
    if len(numbers) == 0:
        return first, second.copy()
    compact = np.where(instances != 0, np.searchsorted(numbers, instances) + 1, 0)
    squared, rows, columns = _nearest(compact != 0)
    first = np.sqrt(squared, dtype=np.float64).astype(np.float32)
    if len(numbers) == 1:
        return first, second
    nearest = compact[rows, columns]
    least = np.full(instances.shape, np.iinfo(np.int64).max)
    for members in _codes(len(numbers)).T:
        squared = _nearest(members[compact])[0]
        np.minimum(least, squared, out=least, where=~members[nearest])
    return first, np.sqrt(least, dtype=np.float64).astype(np.float32)


def _codes(count: int) -> NDArray[np.bool_]:
    """Return a code for each of ``count`` objects, bool (count + 1, t); that of number 0, no object, has no bit.

    For two objects or more every bit is some object's. One object has a code of one bit that it lacks.
    """
    bits = next(t for t in range(1, count + 2) if comb(t, t // 2) >= count)
    codes = np.zeros((count + 1, bits), bool)
    for code, chosen in zip(codes[1:], islice(combinations(range(bits), bits // 2), count), strict=True):
        code[list(chosen)] = True
    return codes


def _nearest(objects: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Return the squared distance (H,W) to the nearest true pixel, its row and its column; one must be true."""
    height, width = objects.shape
    rows, columns = distance_transform_edt(~objects, return_distances=False, return_indices=True)
    down = (rows - np.arange(height, dtype=np.int32)[:, None]).astype(np.int64)
    right = (columns - np.arange(width, dtype=np.int32)).astype(np.int64)
    return down * down + right * right, rows, columns
