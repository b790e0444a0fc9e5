"""albumentations beside torchvision's transforms and OpenCV alone: ``python -m benchmarks.augmentation``.

Prints, for each transform that ``conf/augmentation`` names, the CPU time of an image with its mask: behind
:class:`segbench.augmentation.Augmentation` with a seed for the sample, by albumentations alone, by torchvision's v2
transforms seeded likewise (where it is installed), and by the least code that does it on NumPy and OpenCV, which own
transforms would be. They take turns; a figure is the median over turns. Then how exact a rotation is, against bilinear
interpolation and the nearest neighbour in float64; what an import takes; and what share of an epoch augmentation is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from statistics import median
from typing import Any

import albumentations
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from segbench.augmentation import Augmentation
from segbench.callbacks.cost import device_name
from segbench.models import UNet

Pair = tuple[Any, Any]
# Takes an image (H,W,C) and its mask (H,W), both uint8, and a seed.
Transform = Callable[[NDArray[np.uint8], NDArray[np.uint8], int], Pair]
_OUTSIDE = {"border_mode": cv2.BORDER_CONSTANT, "fill": 0, "fill_mask": 255}
_SHAPES = ((96, 96, 1), (256, 256, 3))
_ANGLE = 7.3


def in_albumentations() -> dict[str, list[Any]]:
    """Return each row's transforms, always applied."""
    flips = [albumentations.HorizontalFlip(p=1.0), albumentations.VerticalFlip(p=1.0)]
    rotate = albumentations.Rotate(limit=(-10, 10), p=1.0, **_OUTSIDE)
    return {
        "HorizontalFlip": flips[:1],
        "VerticalFlip": flips[1:],
        "Rotate": [rotate],
        "OneOf, NoOp": [albumentations.OneOf([albumentations.NoOp(p=1.0), *flips, rotate], p=1.0)],
        "Affine": [
            albumentations.Affine(
                rotate=(-10, 10), scale=(0.9, 1.1), translate_percent=(-0.05, 0.05), fill=0, fill_mask=255, p=1.0
            )
        ],
        "RandomBrightnessContrast": [
            albumentations.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=1.0)
        ],
        "ColorJitter": [
            albumentations.ColorJitter(
                brightness=(0.7, 1.3), contrast=(0.7, 1.3), saturation=(0.7, 1.3), hue=(-0.05, 0.05), p=1.0
            )
        ],
    }


def alone(transforms: list[Any]) -> Transform:
    """Return albumentations' own pipeline, seeded once."""
    compose = albumentations.Compose(transforms, seed=0)

    def apply(image: NDArray[np.uint8], mask: NDArray[np.uint8], seed: int) -> Pair:
        found = compose(image=image, mask=mask)
        return found["image"], found["mask"]

    return apply


def in_torchvision() -> dict[str, Transform]:
    """Return each row by torchvision, on tensors that share the arrays' memory; seeded for each sample."""
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    fill = {tv_tensors.Image: 0, tv_tensors.Mask: 255}
    bilinear = v2.InterpolationMode.BILINEAR
    flips = [v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0)]
    rotate = v2.RandomRotation((-10, 10), interpolation=bilinear, fill=fill)
    rows = {
        "HorizontalFlip": flips[0],
        "VerticalFlip": flips[1],
        "Rotate": rotate,
        "OneOf, NoOp": v2.RandomChoice([v2.Identity(), *flips, rotate]),
        "Affine": v2.RandomAffine(10, (0.05, 0.05), (0.9, 1.1), interpolation=bilinear, fill=fill),
        "RandomBrightnessContrast": v2.ColorJitter(brightness=0.2, contrast=0.2),
        "ColorJitter": v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05),
    }

    def seeded(transform: Any) -> Transform:
        def apply(image: NDArray[np.uint8], mask: NDArray[np.uint8], seed: int) -> Pair:
            torch.manual_seed(seed)
            found: Pair = transform(
                tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1)), tv_tensors.Mask(torch.from_numpy(mask))
            )
            return found

        return apply

    return {name: seeded(transform) for name, transform in rows.items()}


def by_hand() -> dict[str, Transform]:
    """Return each row in the least code; colours by one table where they allow it."""

    def warped(image: NDArray[np.uint8], mask: NDArray[np.uint8], angle: float, scale: float, shift: Any) -> Pair:
        height, width = mask.shape
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)
        matrix[:, 2] += shift
        size = (width, height)
        found = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=0)
        return found, cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST, borderValue=255)

    def flipped(axis: int) -> Transform:
        return lambda image, mask, seed: (
            np.ascontiguousarray(np.flip(image, axis)),
            np.ascontiguousarray(np.flip(mask, axis)),
        )

    def rotated(image: NDArray[np.uint8], mask: NDArray[np.uint8], seed: int) -> Pair:
        return warped(image, mask, np.random.default_rng(seed).uniform(-10, 10), 1.0, 0.0)

    def moved(image: NDArray[np.uint8], mask: NDArray[np.uint8], seed: int) -> Pair:
        chance = np.random.default_rng(seed)
        shift = chance.uniform(-0.05, 0.05, 2) * mask.shape[::-1]
        return warped(image, mask, chance.uniform(-10, 10), chance.uniform(0.9, 1.1), shift)

    def one_of(image: NDArray[np.uint8], mask: NDArray[np.uint8], seed: int) -> Pair:
        choices: list[Transform] = [lambda image, mask, seed: (image, mask), flipped(1), flipped(0), rotated]
        return choices[np.random.default_rng(seed).integers(4)](image, mask, seed)

    def lit(image: NDArray[np.uint8], mask: NDArray[np.uint8], seed: int) -> Pair:
        contrast, brightness = np.random.default_rng(seed).uniform(-0.2, 0.2, 2)
        table = (np.arange(256) * (1 + contrast) + 255 * brightness).clip(0, 255).astype(np.uint8)
        return cv2.LUT(image, table), mask

    return {
        "HorizontalFlip": flipped(1),
        "VerticalFlip": flipped(0),
        "Rotate": rotated,
        "OneOf, NoOp": one_of,
        "Affine": moved,
        "RandomBrightnessContrast": lit,
    }


def measure(ways: list[Transform | None], shape: tuple[int, int, int], turns: int, images: int = 100) -> list[float]:
    """Return CPU microseconds an image by each way, NaN where there is none."""
    chance = np.random.default_rng(0)
    image = chance.integers(0, 256, shape, np.uint8)
    mask = chance.integers(0, 4, shape[:2], np.uint8)
    times: list[list[float]] = [[] for _ in ways]
    for turn in range(turns + 1):
        for way, taken in zip(ways, times, strict=True):
            begun = time.process_time()
            if way is not None:
                for seed in range(images):
                    way(image, mask, seed)
            if turn:  # the first is a warm-up
                taken.append((time.process_time() - begun) / images * 1e6)
    return [median(taken) if way is not None else float("nan") for way, taken in zip(ways, times, strict=True)]


def deviations(side: int = 128) -> dict[str, tuple[float, float, float]]:
    """Return how far a rotation is from one in float64, away from the border, by each way.

    Returns:
        Mean and largest deviation of the image in grey levels (rounding alone makes 0.25 and 0.5), and the share of the
        mask's pixels that took another neighbour.
    """
    chance = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(chance.normal(size=(side, side)), 2)
    image = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    mask = chance.integers(0, 200, (side, side), np.uint8)
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    cosine, sine = np.cos(np.deg2rad(_ANGLE)), np.sin(np.deg2rad(_ANGLE))
    # Counter-clockwise, as all of them turn.
    source = np.stack([rows * cosine + columns * sine, columns * cosine - rows * sine]) + (side - 1) / 2
    inside = ((source > 2) & (source < side - 3)).all(axis=0)
    expected = ndimage.map_coordinates(image.astype(float), source, order=1)
    nearest = mask[tuple(np.rint(source).astype(int).clip(0, side - 1))]
    found = {}
    for name, way in _rotations().items():
        turned, labels = (np.asarray(part).squeeze() for part in way(image[..., None], mask, 0))
        off = np.abs(turned - expected)[inside]
        found[name] = float(off.mean()), float(off.max()), float((labels != nearest)[inside].mean())
    return found


def _rotations() -> dict[str, Transform]:
    """Return a rotation by 7.3 degrees by each way."""
    fixed = albumentations.Rotate(limit=(_ANGLE, _ANGLE), p=1.0, **_OUTSIDE)

    def opencv(image: NDArray[np.uint8], mask: NDArray[np.uint8], seed: int) -> Pair:
        height, width = mask.shape
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), _ANGLE, 1.0)
        turned = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
        return turned, cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST)

    def torchvision(image: NDArray[np.uint8], mask: NDArray[np.uint8], seed: int) -> Pair:
        from torchvision.transforms.v2 import InterpolationMode, functional

        turned = functional.rotate(torch.from_numpy(image).permute(2, 0, 1), _ANGLE, InterpolationMode.BILINEAR)
        return turned, functional.rotate(torch.from_numpy(mask)[None], _ANGLE, InterpolationMode.NEAREST)

    ways: dict[str, Transform] = {"albumentations": Augmentation([fixed]), "OpenCV alone": opencv}
    return ways | ({"torchvision v2": torchvision} if find_spec("torchvision") else {})


def import_seconds(module: str) -> float:
    """Return the CPU seconds that importing a module adds to torch and OpenCV, the least of three."""

    def taken(line: str) -> float:
        timed = f"begun = time.process_time(); {line}; print(time.process_time() - begun)"
        program = [sys.executable, "-c", f"import time, torch, cv2, segbench; {timed}"]
        return float(subprocess.run(program, capture_output=True, text=True, check=True).stdout)

    return min(taken(f"import {module}") for _ in range(3))


def step_seconds(images: int = 8) -> float:
    """Return the CPU seconds an image of a training step of the quick U-Net at 96x96."""
    torch.manual_seed(0)
    network, batch = UNet(1, 4, width=16), torch.randn(images, 1, 96, 96)
    times = []
    for _ in range(6):
        begun = time.process_time()
        network(batch).square().mean().backward()
        times.append((time.process_time() - begun) / images)
    return median(times[1:])


def main() -> None:
    """Print the tables as they are measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torchvision = in_torchvision() if find_spec("torchvision") else {}
    names = ("albumentations", "opencv-python-headless", *(["torchvision"] if torchvision else []), "torch")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"{device_name(torch.device('cpu'))}, one thread, {versions}\n")
    hand = by_hand()
    print("| transform | image | behind the seam | albumentations alone | torchvision v2 | OpenCV alone |")
    print("|---|---|---|---|---|---|")
    for shape in _SHAPES:
        for name, transforms in in_albumentations().items():
            if name == "ColorJitter" and shape[2] == 1:
                continue
            ways: list[Transform | None] = [
                Augmentation(transforms),
                alone(transforms),
                torchvision.get(name),
                hand.get(name),
            ]
            times = (f"{value:.0f}" if value == value else "-" for value in measure(ways, shape, options.turns))
            print(f"| {name} | {'x'.join(map(str, shape))} | {' | '.join(times)} |", flush=True)
    print("\nCPU microseconds an image and mask.\n\n| rotation | mean deviation | largest | mask: other pixel |")
    print("|---|---|---|---|")
    for name, (mean, largest, share) in deviations().items():
        print(f"| {name} | {mean:.3f} | {largest:.2f} | {share:.2%} |")
    print()
    for module in ("albumentations", *(["torchvision.transforms.v2"] if torchvision else [])):
        print(f"import {module}: {import_seconds(module):.2f} s of CPU beside torch and OpenCV")
    print(f"a training step of unet at 96x96, width 16: {step_seconds() * 1e6:.0f} CPU microseconds an image")


if __name__ == "__main__":
    main()
