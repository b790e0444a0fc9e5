"""Times distances to the two nearest objects against one transform per object: ``python -m benchmarks.weight_map``."""

from __future__ import annotations

import argparse
import statistics

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from benchmarks.data import seconds
from segbench.losses.distances import two_nearest

OBJECTS = 171
SIDE = 512


def cells(count: int, side: int = SIDE) -> NDArray[np.int32]:
    """Return ``count`` ellipses of 16 to 32 pixels, a few touching, int32 (side,side)."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    instances = np.zeros((side, side), np.int32)
    number = 0
    while number < count:
        (row, column), (high, wide) = random.integers(0, side, 2), random.uniform(8, 16, 2)
        inside = ((rows - row) / high) ** 2 + ((columns - column) / wide) ** 2 < 1
        if (instances[inside] > 0).mean() < 0.2:
            number += 1
            instances[inside & (instances == 0)] = number
    return instances


def naive(instances: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the two smallest of one distance transform per object, (2,H,W)."""
    stack = np.stack([distance_transform_edt(instances != number) for number in np.unique(instances) if number])
    return np.partition(stack, 1, axis=0)[:2]


def distances(count: int = OBJECTS, rounds: int = 3) -> tuple[float, float]:
    """Return the seconds of our function and of the naive one, in turns on one thread: medians.

    Args:
        count: Number of objects in the image.
        rounds: Turns of each.

    Raises:
        AssertionError: If the two differ by more than 1e-4 pixels.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    instances = cells(count)
    np.testing.assert_allclose(np.stack(two_nearest(instances)), naive(instances), rtol=0, atol=1e-4)
    ours, reference = [], []
    for _ in range(rounds):
        ours.append(seconds(lambda: two_nearest(instances)))
        reference.append(seconds(lambda: naive(instances)))
    cv2.setNumThreads(threads)
    return statistics.median(ours), statistics.median(reference)


def main() -> None:
    """Measure and print, for few and for many objects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, nargs="+", default=[2, 10, 50, OBJECTS])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for count in options.objects:
        ours, reference = distances(count, options.rounds)
        print(
            f"{count} objects, {SIDE}x{SIDE}: ours {ours * 1e3:.1f} ms, one transform each {reference * 1e3:.1f} ms, "
            f"{reference / ours:.1f} times faster"
        )


if __name__ == "__main__":
    main()
