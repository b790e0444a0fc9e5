"""Generated overlapping shadows: multi-label segmentation with nothing to download."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Pair
from segbench.data.multilabel import MultilabelData
from segbench.data.records import Record
from segbench.masks import bit_sets
from segbench.rng import generator


class OverlappingData(MultilabelData):
    """Shadows of a disc, a ring and a bar, as in a radiograph: darker where they overlap.

    Each is absent from some images, and small squares distract. A function of ``scenes_seed`` and the image number.

    Args:
        scenes: Number of images, each its own group.
        scenes_seed: Seed of their content.
        **options: See :class:`segbench.data.multilabel.MultilabelData`.
    """

    name = "overlapping"
    class_names = ("disc", "ring", "bar")
    in_channels = 1
    fractions = {"train": 0.6, "val": 0.15, "test": 0.25}  # noqa: RUF012 - ClassVar in the base

    def __init__(self, *, scenes: int = 160, scenes_seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.scenes, self.scenes_seed = scenes, scenes_seed

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Name the images; there are no files."""
        return [Record(name, name) for name in (f"scene{number:03d}" for number in range(self.scenes))], []

    def settings(self) -> dict[str, Any]:
        """Return the settings that the stored arrays depend on."""
        return super().settings() | {"scenes_seed": self.scenes_seed}

    def read(self, record: Record) -> Pair:
        """Draw an image."""
        return draw_scene(self.scenes_seed, int(record.id.removeprefix("scene")), self.size or (96, 96))


def draw_scene(seed: int, number: int, size: tuple[int, int]) -> Pair:
    """Draw one image.

    Args:
        seed: Seed of its content.
        number: Its number.
        size: Height and width in pixels; the field of view is the same for any.

    Returns:
        Image uint8 (H,W,1) and bit sets uint8 (H,W) of disc, ring and bar.
    """
    chance = generator(seed, "overlapping", number)
    x, y = np.meshgrid(np.linspace(-1, 1, size[1]), np.linspace(-1, 1, size[0]))
    shapes = [_disc(x, y, chance), _ring(x, y, chance), _bar(x, y, chance)]
    present = chance.random(len(shapes)) < 0.85
    shapes = [inside & there for inside, there in zip(shapes, present, strict=True)]
    thickness = 0.25 + 0.15 * x * chance.uniform(-1, 1) + 0.15 * y * chance.uniform(-1, 1)
    for inside in (*shapes, *(_square(x, y, chance) for _ in range(chance.integers(2, 6)))):
        thickness = thickness + chance.uniform(0.3, 0.6) * inside
    blurred = np.asarray(cv2.GaussianBlur(np.exp(-thickness), (0, 0), 0.008 * min(size)))
    noisy = blurred + chance.normal(0, 0.05, size)
    return (np.clip(noisy, 0, 1) * 255).round().astype(np.uint8)[..., None], bit_sets(shapes)


Plane = NDArray[np.float64]


def _disc(x: Plane, y: Plane, chance: np.random.Generator) -> NDArray[np.bool_]:
    across, down = chance.uniform(-0.4, 0.4, 2)
    return np.asarray(np.hypot(x - across, y - down) < chance.uniform(0.25, 0.45))


def _ring(x: Plane, y: Plane, chance: np.random.Generator) -> NDArray[np.bool_]:
    across, down = chance.uniform(-0.4, 0.4, 2)
    middle, half = chance.uniform(0.3, 0.5), chance.uniform(0.05, 0.09)
    return np.asarray(np.abs(np.hypot(x - across, y - down) - middle) < half)


def _bar(x: Plane, y: Plane, chance: np.random.Generator) -> NDArray[np.bool_]:
    across, down = chance.uniform(-0.4, 0.4, 2)
    angle, length, half = chance.uniform(0, np.pi), chance.uniform(0.5, 0.9), chance.uniform(0.06, 0.12)
    along = np.cos(angle) * (x - across) + np.sin(angle) * (y - down)
    aside = np.cos(angle) * (y - down) - np.sin(angle) * (x - across)
    return np.asarray((np.abs(along) < length) & (np.abs(aside) < half))


def _square(x: Plane, y: Plane, chance: np.random.Generator) -> NDArray[np.bool_]:
    across, down = chance.uniform(-0.9, 0.9, 2)
    return np.asarray(np.maximum(np.abs(x - across), np.abs(y - down)) < chance.uniform(0.04, 0.1))
