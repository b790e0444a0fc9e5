"""Draw docs/own-data-predicted.webp from generated photographs by its page's commands: ``python docs/pictures.py``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

DOCS = Path(__file__).resolve().parent
SIDE, LABELLED, NEW = 96, 40, 4
QUICK = ["trainer.max_epochs=10", "model.width=4", "data.batch_size=4", "optimizer.lr=0.003"]


def leaf(number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a photograph (H,W,3) of leaves on soil, and its mask (H,W), 255 inside leaves."""
    chance = np.random.default_rng(number)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(chance.integers(2, 5)):
        place = [int(value) for value in chance.integers(16, SIDE - 16, 2)]
        axes = [int(chance.integers(12, 22)), int(chance.integers(5, 10))]
        cv2.ellipse(mask, place, axes, float(chance.uniform(0, 180)), 0, 360, 255, -1)
    soil = cv2.resize(chance.normal(0, 14, (24, 24, 1)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)[..., None]
    light = np.linspace(-25, 25, SIDE)[None, :, None] * chance.uniform(-1, 1)
    inside = cv2.GaussianBlur(mask, (0, 0), 1.2)[..., None] / 255
    picture = np.array([112, 88, 66]) + soil + light
    picture = picture * (1 - inside) + (np.array([84, 118, 58]) + 0.6 * light + 0.7 * soil[::-1]) * inside
    # Stones and dry leaves, which are brighter than soil but no leaves.
    for _ in range(chance.integers(2, 5)):
        stone = np.zeros((SIDE, SIDE), np.uint8)
        place = [int(value) for value in chance.integers(8, SIDE - 8, 2)]
        cv2.circle(stone, place, int(chance.integers(4, 9)), 255, -1)
        soft = cv2.GaussianBlur(stone, (0, 0), 1)[..., None] / 255 * (1 - inside)
        picture = picture * (1 - soft) + np.array([140, 128, 92]) * soft
    picture += chance.normal(0, 7, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), mask


def generate(folder: Path) -> None:
    """Write ``photos`` with ``drawings``, and ``new_photos``."""
    for name in ("photos", "drawings", "new_photos"):
        (folder / name).mkdir()
    for number in range(LABELLED + NEW):
        picture, mask = leaf(number)
        if number < LABELLED:
            Image.fromarray(picture).save(folder / "photos" / f"leaf_{number:02d}.jpg", quality=95)
            Image.fromarray(mask).save(folder / "drawings" / f"leaf_{number:02d}_mask.png")
        else:
            Image.fromarray(picture).save(folder / "new_photos" / f"leaf_{number:02d}.jpg", quality=95)


def typed(folder: Path, script: str, *arguments: str) -> None:
    """Type one of the page's commands."""
    command = [sys.executable, str(DOCS.parent / "src" / script), *arguments]
    subprocess.run(command, cwd=folder, check=True, env=os.environ | {"PYTHONPATH": str(DOCS.parent / "src")})


def save(picture: Image.Image, path: Path) -> None:
    """Write a small file."""
    picture.save(path, quality=80)
    print(f"{path}: {path.stat().st_size // 1024} kB")


def overlays(folder: Path, path: Path) -> None:
    """Draw the new photographs, each above its overlay."""
    photographs = sorted((folder / "new_photos").iterdir())
    drawn = [folder / "predicted" / "overlays" / f"{photograph.stem}.png" for photograph in photographs]
    gap = 6
    side = 2 * SIDE
    whole = Image.new("RGB", (NEW * (side + gap) - gap, 2 * side + gap), "white")
    for row, files in enumerate((photographs, drawn)):
        for column, file in enumerate(files):
            picture = Image.open(file).convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
            whole.paste(picture, (column * (side + gap), row * (side + gap)))
    save(whole, path)


def main() -> None:
    """Generate, train, predict, and draw."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        generate(folder)
        named = ("data=folder", "data.images=photos", "data.masks=drawings")
        typed(folder, "run.py", "-m", *named, "model=unet", "seed=0,1", *QUICK)
        typed(folder, "predict.py", "ensemble=outputs/runs", "row=[model=unet]", "images=new_photos", "out=predicted")
        overlays(folder, DOCS / "own-data-predicted.webp")


if __name__ == "__main__":
    main()
