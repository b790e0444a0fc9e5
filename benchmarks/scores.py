"""Times what scores and training do with masks image by image: ``python -m benchmarks.scores``.

Objects and weight maps of 300 cells at 512x640; surfaces and counts of a frame of 19 classes at 2048x1024; elastic
deformation of both. CPU milliseconds of one thread, medians. Distances between surfaces are set beside one tree of the
points a surface, and must be equal to the bit.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from benchmarks.weight_map import cells
from segbench.augmentation.elastic import Elastic
from segbench.losses.boundary import BoundaryCrossEntropy
from segbench.scores.columns import Region
from segbench.scores.counts import confusion_matrices
from segbench.scores.objects import components, object_terms
from segbench.scores.seg import seg_terms
from segbench.scores.surface import surface_distances

CELLS, CELL_SIZE = 300, (512, 640)
CLASSES, FRAME_SIZE = 19, (1024, 2048)


def frame(detail: int = 6, shift: float = 0.05) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the truth and the prediction of a frame, uint8 (H,W): bands of a smooth field, and of a field beside it.

    Args:
        detail: Hills of the field from top to bottom; borders are longer with more.
        shift: How far the other field lies from it.
    """
    random = np.random.default_rng(0)

    def field(hills: int) -> NDArray[np.float32]:
        drawn = random.normal(size=(hills, 2 * hills)).astype(np.float32)
        return np.asarray(cv2.resize(drawn, FRAME_SIZE[::-1], interpolation=cv2.INTER_CUBIC))

    truth, beside = field(detail) + 0.1 * field(3 * detail), shift * field(3 * detail)
    edges = np.quantile(truth, np.linspace(0, 1, CLASSES + 1)[1:-1])
    return np.digitize(truth, edges).astype(np.uint8), np.digitize(truth + beside, edges).astype(np.uint8)


def by_trees(truth: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
    """Return the distances of the prediction's and of the truth's border pixels to the others, by a tree of each."""
    one, other = (np.argwhere(mask & ~ndimage.binary_erosion(mask)) for mask in (prediction, truth))
    pairs = ((one, other), (other, one))
    nearest = [KDTree(others).query(points)[1] for points, others in pairs]
    return tuple(
        np.sqrt(((points - others[index]) ** 2).sum(axis=1))
        for (points, others), index in zip(pairs, nearest, strict=True)
    )


def surfaces(detail: int = 6, rounds: int = 3) -> tuple[float, float]:
    """Return the CPU seconds of the surfaces of all classes of a frame, and by trees, in turns.

    Raises:
        AssertionError: If they differ in a bit.
    """
    truth, prediction = frame(detail)
    sides = [(truth == label, prediction == label) for label in range(CLASSES)]
    known = np.ones(FRAME_SIZE, bool)

    def ours() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        found = [surface_distances(Region(one, other, known, (1.0, 1.0))) for one, other in sides]
        return [(distances.predicted, distances.truth) for distances in found]

    def reference() -> list[tuple[NDArray[np.float64], ...]]:
        return [by_trees(*side) for side in sides]

    for found, expected in zip(ours(), reference(), strict=True):
        for distances, same in zip(found, expected, strict=True):
            np.testing.assert_array_equal(distances, same)
    turns = [(milliseconds(ours), milliseconds(reference)) for _ in range(rounds)]
    return statistics.median(turn[0] for turn in turns) / 1e3, statistics.median(turn[1] for turn in turns) / 1e3


def milliseconds(work: Callable[[], object], rounds: int = 1) -> float:
    """Return the CPU milliseconds that something takes, the median of some rounds."""
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return statistics.median(taken) * 1e3


def counts(masks: int = 50, side: int = 512, rounds: int = 3) -> tuple[float, float]:
    """Return the CPU seconds of the confusion matrices of masks of 19 classes, and of ``np.bincount`` on the same.

    Raises:
        AssertionError: If they differ.
    """
    random = np.random.default_rng(0)
    truth, guess = (random.integers(0, CLASSES, (masks, side, side)) for _ in range(2))
    tensors = torch.from_numpy(guess), torch.from_numpy(truth)
    kinds = CLASSES * CLASSES

    def reference() -> NDArray[np.int64]:
        pairs = (truth * CLASSES + guess).reshape(masks, -1)
        return np.stack([np.bincount(each, minlength=kinds) for each in pairs]).reshape(masks, CLASSES, CLASSES)

    np.testing.assert_array_equal(confusion_matrices(*tensors, CLASSES).numpy(), reference())
    turns = [
        (milliseconds(lambda: confusion_matrices(*tensors, CLASSES)), milliseconds(reference)) for _ in range(rounds)
    ]
    return statistics.median(turn[0] for turn in turns) / 1e3, statistics.median(turn[1] for turn in turns) / 1e3


def others(rounds: int) -> dict[str, float]:
    """Return the milliseconds of everything else, by what it is."""
    truth = cells(CELLS, CELL_SIZE[1])[: CELL_SIZE[0]]
    shrunk = cv2.erode((truth > 0).astype(np.uint8), np.ones((3, 3)))
    found = components(np.roll(np.asarray(shrunk, bool), 2, axis=1))
    loss, mask = BoundaryCrossEntropy(), (truth > 0).astype(np.uint8)
    labels, guess = (torch.from_numpy(side)[None].long() for side in frame())
    elastic = Elastic()
    elastic.set_random_seed(0)
    grey = np.zeros((*CELL_SIZE, 1), np.uint8)
    colour, classes = np.zeros((*FRAME_SIZE, 3), np.uint8), np.zeros(FRAME_SIZE, np.uint8)
    works: dict[str, Callable[[], object]] = {
        f"object scores, {len(np.unique(truth)) - 1} and {found.max()} objects": lambda: object_terms(truth, found),
        "SEG of the same": lambda: seg_terms(truth, found),
        "weight map of the same": lambda: loss.pixel_weights(mask, truth),
        "elastic deformation of the same": lambda: elastic(image=grey, mask=mask),
        "elastic deformation of a frame": lambda: elastic(image=colour, mask=classes),
        "counts of a frame": lambda: confusion_matrices(guess, labels, CLASSES),
    }
    return {name: milliseconds(work, rounds) for name, work in works.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    for detail in (6, 24):
        ours, trees = surfaces(detail, rounds)
        times = f"{ours * 1e3:.0f} ms, by trees {trees * 1e3:.0f} ms, {trees / ours:.1f} times"
        print(f"surfaces of a frame, {detail} hills: {times}")
    for name, taken in others(rounds).items():
        print(f"{name}: {taken:.0f} ms")


if __name__ == "__main__":
    main()
