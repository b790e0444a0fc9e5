"""Generated short-axis cardiac phantoms: a real task with nothing to download."""

from __future__ import annotations

import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segbench.data.cache import Pair
from segbench.data.records import Record
from segbench.data.segmentation import SegmentationData
from segbench.rng import generator

BACKGROUND, RIGHT_VENTRICLE, MYOCARDIUM, LEFT_VENTRICLE = range(4)
Grid = tuple[NDArray[np.float64], NDArray[np.float64]]


class PhantomData(SegmentationData):
    """Grey short-axis views of a heart between the lungs, with the classes of cardiac MR.

    Subjects differ in position, rotation, size, wall thickness, shape, tissue brightness, noise and coil shading;
    slices run from the base to beyond the apex, so first the right ventricle and then the whole heart disappears.
    Vessels, liver, stomach and chest wall are as bright as blood or muscle, so brightness alone does not separate the
    classes. An image is a function of ``phantom_seed``, the subject and the slice.

    Args:
        subjects: Number of subjects; each is a group.
        slices: Slices per subject.
        phantom_seed: Seed of the anatomy.
        **options: See :class:`SegmentationData`.
    """

    name = "phantom"
    group_name = "subject"
    class_names = ("background", "right ventricle", "myocardium", "left ventricle")
    in_channels = 1
    label_map = {0: 0, 1: 1, 2: 2, 3: 3}  # noqa: RUF012 - ClassVar in the base
    fractions = {"train": 0.6, "val": 0.15, "test": 0.25}  # noqa: RUF012 - ClassVar in the base

    def __init__(self, *, subjects: int = 32, slices: int = 6, phantom_seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.subjects, self.slices, self.phantom_seed = subjects, slices, phantom_seed

    def find_records(self) -> tuple[list[Record], list[str]]:
        """List the subjects' slices; there are no files."""
        return [
            Record(f"subject{subject:03d}_slice{level:02d}", f"subject{subject:03d}")
            for subject in range(self.subjects)
            for level in range(self.slices)
        ], []

    def settings(self) -> dict[str, Any]:
        """Return the settings that the arrays depend on."""
        return super().settings() | {"slices": self.slices, "phantom_seed": self.phantom_seed}

    def read(self, record: Record) -> Pair:
        """Draw a slice: image uint8 (H,W,1) and mask uint8 (H,W)."""
        subject, level = (int(re.sub(r"\D", "", part)) for part in record.id.split("_"))
        depth = level / max(self.slices - 1, 1)
        image, mask = draw_slice(self.phantom_seed, subject, depth, self.size or (96, 96))
        return image, np.where(np.isin(mask, self.ignore), np.uint8(self.ignore_index), mask) if self.ignore else mask


def draw_slice(
    seed: int, subject: int, depth: float, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one slice.

    Args:
        seed: Seed of the anatomy.
        subject: Number of the subject.
        depth: 0 at the base, 1 just beyond the apex.
        size: Height and width in pixels; the field of view does not depend on it.

    Returns:
        Image uint8 (H,W,1) and class indices uint8 (H,W).
    """
    anatomy = generator(seed, "phantom", subject)
    height, width = size
    grid = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    tissue = _Tissues(anatomy)
    brightness = _thorax(grid, tissue, anatomy)
    mask = _heart(grid, anatomy, depth)
    brightness[mask == RIGHT_VENTRICLE] = tissue.blood * anatomy.uniform(0.85, 1.0)
    brightness[mask == MYOCARDIUM] = tissue.muscle
    brightness[mask == LEFT_VENTRICLE] = tissue.blood
    _papillary_muscles(brightness, mask, grid, tissue, anatomy)
    return _acquire(brightness, generator(seed, "scan", subject, round(depth * 1000)), anatomy, min(size)), mask


class _Tissues:
    """Tissue brightnesses of one subject, in [0,1]."""

    def __init__(self, anatomy: np.random.Generator) -> None:
        self.blood = anatomy.uniform(0.55, 0.85)
        self.muscle = anatomy.uniform(0.22, 0.42)
        self.lung = anatomy.uniform(0.04, 0.14)
        self.fat = anatomy.uniform(0.6, 0.95)
        self.liver = anatomy.uniform(0.25, 0.5)


def _ellipse(
    grid: Grid, centre: NDArray[np.float64], radii: tuple[float, float], angle: float = 0.0
) -> NDArray[np.float64]:
    """Return the squared elliptic distance from the centre, below 1 inside."""
    x, y = grid[0] - centre[0], grid[1] - centre[1]
    cosine, sine = np.cos(angle), np.sin(angle)
    return ((cosine * x + sine * y) / radii[0]) ** 2 + ((cosine * y - sine * x) / radii[1]) ** 2


def _thorax(grid: Grid, tissue: _Tissues, anatomy: np.random.Generator) -> NDArray[np.float64]:
    """Draw the chest wall, lungs with vessels, liver or stomach below, spine and aorta behind."""
    field = np.full(grid[0].shape, 0.02)
    body = (anatomy.uniform(0.95, 1.15), anatomy.uniform(0.85, 1.05))
    centre = anatomy.uniform(-0.05, 0.05, 2)
    field[_ellipse(grid, centre, body) < 1] = tissue.fat
    field[_ellipse(grid, centre, (body[0] - 0.1, body[1] - 0.1)) < 1] = tissue.muscle
    for side in (-1, 1):
        lung = centre + np.array([side * anatomy.uniform(0.42, 0.52), anatomy.uniform(-0.15, 0.1)])
        field[_ellipse(grid, lung, (anatomy.uniform(0.33, 0.42), anatomy.uniform(0.5, 0.65)), side * 0.15) < 1] = (
            tissue.lung
        )
        for _ in range(anatomy.integers(2, 7)):
            vessel = lung + anatomy.uniform(-0.3, 0.3, 2)
            radius = anatomy.uniform(0.015, 0.06)
            field[_ellipse(grid, vessel, (radius, radius * anatomy.uniform(0.6, 1.0)), anatomy.uniform(0, 3)) < 1] = (
                tissue.blood
            )
    below = centre + np.array([anatomy.uniform(-0.4, 0.0), anatomy.uniform(0.55, 0.75)])
    field[_ellipse(grid, below, (0.6, anatomy.uniform(0.25, 0.35)), anatomy.uniform(-0.2, 0.2)) < 1] = tissue.liver
    stomach = centre + np.array([anatomy.uniform(0.25, 0.45), anatomy.uniform(0.45, 0.65)])
    rim = _ellipse(grid, stomach, (anatomy.uniform(0.12, 0.22), anatomy.uniform(0.1, 0.18)), anatomy.uniform(0, 3))
    field[rim < 1] = tissue.muscle
    field[rim < 0.6] = anatomy.choice([tissue.blood, tissue.lung, tissue.fat])
    aorta = centre + np.array([anatomy.uniform(0.05, 0.2), anatomy.uniform(0.42, 0.55)])
    field[_ellipse(grid, aorta, (0.075, 0.075)) < 1] = tissue.blood
    spine = centre + np.array([anatomy.uniform(-0.1, 0.02), anatomy.uniform(0.65, 0.8)])
    field[_ellipse(grid, spine, (0.14, 0.12)) < 1] = tissue.fat * 0.7
    return field


def _heart(grid: Grid, anatomy: np.random.Generator, depth: float) -> NDArray[np.uint8]:
    """Return class indices: a ring of muscle around the left ventricle, the right one a crescent beside it."""
    centre = anatomy.uniform(-0.16, 0.16, 2)
    turn = anatomy.uniform(-0.7, 0.7)
    stretch = anatomy.uniform(0.88, 1.14)
    cavity, wall = anatomy.uniform(0.16, 0.29), anatomy.uniform(0.07, 0.13)
    waves, phases = anatomy.normal(0, 0.035, 3), anatomy.uniform(0, 2 * np.pi, 3)
    end = anatomy.uniform(0.86, 1.06)
    drift = anatomy.uniform(-0.1, 0.1, 2)
    right_length, right_width = anatomy.uniform(1.15, 1.5), anatomy.uniform(0.75, 1.05)
    mask = np.zeros(grid[0].shape, dtype=np.uint8)
    left = 1 - (depth / end) ** 2
    if left <= 0.02:
        return mask
    shrink = np.sqrt(left)
    middle = centre + depth * drift
    x, y = grid[0] - middle[0], (grid[1] - middle[1]) * stretch
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    shape = 1 + sum(
        wave * np.cos((k + 2) * angle + phase) for k, (wave, phase) in enumerate(zip(waves, phases, strict=True))
    )
    inner = cavity * shrink * shape
    outer = inner + wall * (0.6 + 0.4 * shrink)
    right = 1 - (depth / (0.82 * end)) ** 2
    if right > 0.05:
        scale = np.sqrt(right) * (cavity + wall)
        away = middle + scale * 0.95 * np.array([-np.cos(turn), -np.sin(turn)])
        crescent = _ellipse(grid, away, (scale * right_width, scale * right_length), turn)
        mask[(crescent < 1) & (radius >= outer)] = RIGHT_VENTRICLE
    mask[radius < outer] = MYOCARDIUM
    mask[radius < inner] = LEFT_VENTRICLE
    return mask


def _papillary_muscles(
    brightness: NDArray[np.float64], mask: NDArray[np.uint8], grid: Grid, tissue: _Tissues, anatomy: np.random.Generator
) -> None:
    """Draw dark spots inside the left ventricle; by convention they belong to the cavity."""
    inside = mask == LEFT_VENTRICLE
    if not inside.any():
        return
    middle = np.array([grid[0][inside].mean(), grid[1][inside].mean()])
    radius = np.sqrt(inside.mean() * 4 / np.pi)
    for _ in range(2):
        angle = anatomy.uniform(0, 2 * np.pi)
        spot = middle + 0.55 * radius * np.array([np.cos(angle), np.sin(angle)])
        brightness[inside & (_ellipse(grid, spot, (0.2 * radius, 0.16 * radius), angle) < 1)] = tissue.muscle * 1.1


def _acquire(
    brightness: NDArray[np.float64], scan: np.random.Generator, anatomy: np.random.Generator, side: int
) -> NDArray[np.uint8]:
    """Add scanner effects: partial volumes, coil shading, texture and Rician noise; return uint8 (H,W,1)."""
    height, width = brightness.shape
    image = np.asarray(cv2.GaussianBlur(brightness, (0, 0), anatomy.uniform(0.006, 0.012) * side))
    coarse = scan.normal(1.0, 0.16, (5, 5))
    image = image * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    texture = np.asarray(cv2.GaussianBlur(scan.standard_normal((height, width)), (0, 0), 0.012 * side))
    image = image * (1 + 0.1 * texture / max(float(texture.std()), 1e-9))
    sigma = anatomy.uniform(0.025, 0.07)
    image = np.hypot(image + scan.normal(0, sigma, image.shape), scan.normal(0, sigma, image.shape))
    gain = anatomy.uniform(0.75, 1.1)
    return (np.clip(image * gain, 0, 1) * 255).round().astype(np.uint8)[..., None]
