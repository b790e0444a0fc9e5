"""Forty photographs of discs and bars with their masks, as clean as they can be, or with faults planted in them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np

PARTS = {"train": 28, "val": 6, "test": 6}
SIZE = 96
SHIFTED, SWAPPED, EXPOSED, ABSENT = ("train_03", "train_11"), ("train_07", "train_15"), "train_20", "test_04"
COPIES = {"val_copy": "train_00", "test_copy1": "train_01", "test_copy2": "train_02"}
OFFSET = (9, -12)


def scene(number: int, ring: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return a grey picture and its mask: discs of class 1, bars of class 2, on uneven ground; also a ring, class 3."""
    chance = np.random.default_rng(number)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    # Each keeps clear of the others: what is left of one that is covered would be a speck.
    for label in (1, 1, 1, 2, 2) * 3:
        shape = np.zeros_like(mask)
        centre = tuple(int(value) for value in chance.integers(16, SIZE - 16, 2))
        long, short = (int(value) for value in chance.integers(7, 15, 2))
        cv2.ellipse(shape, centre, (long, short if label == 1 else 4), float(chance.uniform(0, 180)), 0, 360, label, -1)
        if not mask[cv2.dilate(shape, np.ones((5, 5), np.uint8)) > 0].any():
            mask += shape
    if ring:
        cv2.circle(mask, (60, 40), 16, 3, 5)
    ground = cv2.resize(chance.normal(0, 1, (7, 7)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    grey = 90 + 8 * ground + np.array([0, 60, 95, 130])[mask] + chance.normal(0, 7, mask.shape)
    return np.clip(cv2.GaussianBlur(grey, (0, 0), 0.8), 0, 255).astype(np.uint8), mask


def draw(root: Path) -> Path:
    """Write the clean set: ``train``, ``val`` and ``test``, each with ``images`` and ``masks``."""
    number = 0
    for part, count in PARTS.items():
        for name in ("images", "masks"):
            (root / part / name).mkdir(parents=True)
        for place in range(count):
            write(root, part, f"{part}_{place:02d}", *scene(number))
            number += 1
    return root


def plant(root: Path) -> Path:
    """Plant faults in a clean set: copies, shifts, a swap, a class that only a test image has, a wrong exposure."""
    for copy, original in COPIES.items():
        for kind in ("images", "masks"):
            shutil.copy(file(root, original, kind), file(root, copy, kind))
    for name in SHIFTED:
        moved = np.float32([[1, 0, OFFSET[1]], [0, 1, OFFSET[0]]])
        mask = cv2.warpAffine(read(root, name, "masks"), moved, (SIZE, SIZE), flags=cv2.INTER_NEAREST)
        cv2.imwrite(str(file(root, name, "masks")), mask)
    one, other = (file(root, name, "masks") for name in SWAPPED)
    one_s, other_s = one.read_bytes(), other.read_bytes()
    one.write_bytes(other_s)
    other.write_bytes(one_s)
    exposed = np.clip(2.3 * read(root, EXPOSED, "images").astype(float), 0, 255).astype(np.uint8)
    cv2.imwrite(str(file(root, EXPOSED, "images")), exposed)
    write(root, "test", ABSENT, *scene(1000, ring=True))
    return root


def write(root: Path, part: str, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    cv2.imwrite(str(root / part / "images" / f"{name}.png"), image)
    cv2.imwrite(str(root / part / "masks" / f"{name}.png"), mask)


def file(root: Path, name: str, kind: str) -> Path:
    return root / name.partition("_")[0] / kind / f"{name}.png"


def read(root: Path, name: str, kind: str) -> Any:
    return cv2.imread(str(file(root, name, kind)), cv2.IMREAD_UNCHANGED)
