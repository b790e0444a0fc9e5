"""One pass over all images of a data set: what is known of each, small enough to keep for all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from segbench.data.base import ImageData
from segbench.environment import processors
from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey
from segbench.survey import fit

BINS = 64
# Grid of the means by which near copies are found.
GRID = 32
# Objects of an image whose areas and boxes are kept.
_MOST_OBJECTS = 500
_MOST_THREADS = 4


@dataclass
class ImageFacts:
    """What is known of an image.

    Attributes:
        index: Its record.
        id, group, split: Its name, group and part of the split.
        size: Height and width as stored.
        digest: Of its pixels.
        levels: 1st, 25th, 50th, 75th and 99th percentile of the brightness, in [0, 1].
        histogram: Pixels in each of :data:`BINS` classes of brightness.
        pattern: Differences of neighbouring means on a grid, of unit length, float32; zero for a flat image.
        values: Pixels of each value of the mask, int64 (256,), or one for the label.
        objects: Connected components of its classes, the smallest first (K,6): class, area, top, left, height, width.
        mask_digest: Of the mask's pixels; empty for a label.
        fit: Score of :func:`segbench.survey.fit.score`; nan without contours.
        contour: Length of the mask's contours in pixels of :func:`segbench.survey.fit.small_size`.
    """

    index: int
    id: str
    group: str
    split: str
    size: tuple[int, int]
    digest: bytes
    levels: NDArray[np.float64]
    histogram: NDArray[np.int64]
    pattern: NDArray[np.float32]
    values: NDArray[np.int64]
    objects: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 6), np.int32))
    mask_digest: bytes = b""
    fit: float = float("nan")
    contour: float = 0.0

    @property
    def brightness(self) -> float:
        """Median brightness, in [0, 1]."""
        return float(self.levels[2])


class Pictures:
    """Images and targets of a data module by the index of their record, as they are stored.

    Args:
        data: The data module, after its setup.
    """

    def __init__(self, data: ImageData) -> None:
        self.data = data
        self._arrays = next(iter(data.datasets.values())).arrays
        self.masks = data.labelled == "pixel"
        # Whether images are slices of something that is scored whole, and so has a group of its own.
        self.volumes = bool(data.groups().keys() - {record.id for record in data.records})

    @property
    def key(self) -> MaskKey:
        """How to read the masks."""
        data = self.data
        return MaskKey(data.class_names, data.dataset_class.form, data.background, data.class_colours)

    def image(self, index: int) -> NDArray[Any]:
        """Return an image (H,W,C) as stored."""
        return np.asarray(self._arrays.images[index])

    def target(self, index: int) -> NDArray[np.uint8]:
        """Return a mask (H,W), or a label ()."""
        return np.asarray(self._arrays.targets[index])

    def shown(self, index: int) -> NDArray[np.float32]:
        """Return an image (H,W,C) in [0, 1]."""
        return np.clip(np.asarray(self.image(index), np.float32) / self.data.scale, 0, 1)

    def small(self, index: int) -> NDArray[np.float32]:
        """Return an image (h,w,C) in [0, 1], of :func:`segbench.survey.fit.small_size`."""
        return shrink(self.image(index), self.data.scale)


def shrink(image: NDArray[Any], scale: float) -> NDArray[np.float32]:
    """Return a stored image (H,W,C) as float32 (h,w,C) in [0, 1], of :func:`segbench.survey.fit.small_size`."""
    height, width = fit.small_size(*image.shape[:2])
    plain = image if image.dtype in (np.uint8, np.uint16, np.float32) else image.astype(np.float32)
    # Sixteen channels at once are more than cv2 takes.
    parts = [
        cv2.resize(np.ascontiguousarray(plain[..., start : start + 4]), (width, height), interpolation=cv2.INTER_AREA)
        for start in range(0, plain.shape[2], 4)
    ]
    small = np.concatenate([part.reshape(height, width, -1) for part in parts], axis=2)
    return np.asarray(small, np.float32) / np.float32(scale)


def inspect_images(data: ImageData) -> list[ImageFacts]:
    """Look at every image of every split once, with a progress bar.

    Args:
        data: The data module, after its setup.

    Returns:
        What is known of each, in the order of the splits. It holds about 10 KB an image, whatever their size.
    """
    pictures = Pictures(data)
    console = Console(stderr=True)
    places = [(split, index) for split, indices in data.splits.items() for index in indices]
    # Nearly all of it is in libraries that let other threads run meanwhile.
    pool = ThreadPoolExecutor(min(_MOST_THREADS, processors()))
    try:
        looked = pool.map(lambda place: _inspect(pictures, *place), places)
        shown = {"console": console, "transient": True, "disable": not console.is_terminal}
        return list(track(looked, "looking at images", total=len(places), **shown))  # type: ignore[arg-type]
    finally:
        pool.shutdown(cancel_futures=True)


def _inspect(pictures: Pictures, split: str, index: int) -> ImageFacts:
    data, image, target = pictures.data, pictures.image(index), pictures.target(index)
    record = data.records[index]
    step = max(1, max(image.shape[:2]) // 128)
    brightness = image[::step, ::step].mean(axis=2, dtype=np.float32) / np.float32(data.scale)
    if pictures.masks:
        counted = target[::step, ::step] != IGNORE_INDEX
        brightness = brightness[counted] if counted.any() else brightness.ravel()
    small = shrink(image, data.scale)
    facts = ImageFacts(
        index=index,
        id=record.id,
        group=record.group,
        split=split,
        size=(image.shape[0], image.shape[1]),
        digest=_digest(image),
        levels=np.percentile(brightness, [1, 25, 50, 75, 99]),
        histogram=np.histogram(brightness, BINS, (0, 1))[0],
        pattern=_pattern(small),
        values=np.bincount(target.ravel(), minlength=256),
    )
    if pictures.masks:
        facts.mask_digest = _digest(target)
        facts.objects = _objects(target, pictures.key)
        contours = fit.mask_contours(target, pictures.key)
        facts.contour, facts.fit = contours.length, fit.score(fit.image_edges(small), contours)
    return facts


def _digest(array: NDArray[Any]) -> bytes:
    digest = hashlib.blake2b(f"{array.dtype}{array.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _pattern(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how the brightness changes from place to place: a difference hash in numbers instead of bits.

    After N. Krawetz, Kind of Like That (hackerfactor.com, 2013), on a finer grid and in both directions.
    """
    means = cv2.resize(small.mean(axis=2), (GRID, GRID), interpolation=cv2.INTER_AREA)
    parts = np.concatenate([np.diff(means, axis=0).ravel(), np.diff(means, axis=1).ravel()])
    length = float(np.linalg.norm(parts))
    # Of a flat image it says nothing.
    return np.asarray(parts / length if length > 0.05 else np.zeros_like(parts), np.float32)


def _objects(mask: NDArray[np.uint8], key: MaskKey) -> NDArray[np.int32]:
    """Return the connected components of the classes (K,6), of many the smallest."""
    found = [np.zeros((0, 6), np.int32)]
    for label in key.shown:
        inside = np.asarray(key.inside(mask, label), np.uint8)
        if inside.any():
            boxes = cv2.connectedComponentsWithStats(inside, connectivity=8)[2][1:]
            columns = [cv2.CC_STAT_AREA, cv2.CC_STAT_TOP, cv2.CC_STAT_LEFT, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH]
            found.append(np.insert(boxes[:, columns], 0, label, axis=1))
    objects = np.concatenate(found)
    return objects[np.argsort(objects[:, 1], kind="stable")][:_MOST_OBJECTS]


def by_split(facts: Sequence[ImageFacts]) -> dict[str, list[ImageFacts]]:
    """Return images by the part of the split that they are in, in its order."""
    parts: dict[str, list[ImageFacts]] = {}
    for item in facts:
        parts.setdefault(item.split, []).append(item)
    return parts
