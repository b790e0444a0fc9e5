"""CPU time of predicting images to files, and large ones by windows: ``python -m benchmarks.prediction``."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from segbench.data.dataset import Normalise
from segbench.data.input_format import InputFormat
from segbench.losses import DiceLoss
from segbench.masks import MaskKey
from segbench.models import UNet
from segbench.prediction import predict_files
from segbench.predictor import Predictor
from segbench.tasks import SegmentationTask
from segbench.tasks.windows import Windows

SIDE, IMAGES = 1000, 8
# A quarter of 4000x3000 by windows of 512: as many windows, each a quarter as large.
LARGE, WINDOW = (1504, 2000), 256
_CLASSES = ("background", "cell", "vessel", "debris")
_REPETITIONS = 3


def files(folder: Path, images: int = IMAGES) -> tuple[float, float]:
    """Return the CPU seconds an image of 1000x1000 takes to mask and overlay, and those of Pillow to compress these.

    Args:
        folder: For images and results.
        images: How many are predicted.
    """
    source, out = folder / "images", folder / "out"
    source.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(images):
        smooth = ndimage.gaussian_filter(chance.normal(size=(SIDE, SIDE)), 12) * 1500 + 128
        noisy = np.clip(smooth + chance.normal(0, 4, (SIDE, SIDE)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(source / f"{number}.png")
    network = _predictor()
    # What is imported and built once is no image's.
    predict_files(network, source / "0.png", folder / "first", overlays=True)
    spent = _cpu(lambda: predict_files(network, source, out, overlays=True))
    pictures = [Image.open(path) for path in sorted(out.glob("*/*.png"))]
    for picture in pictures:
        picture.load()
    usual = _cpu(lambda: _compress(pictures))
    return spent / images, usual / images


def _compress(pictures: Sequence[Image.Image]) -> None:
    for picture in pictures:
        picture.save(io.BytesIO(), format="PNG")


def _predictor() -> Predictor:
    """Return a network of few weights for images of 96x96, as if trained: it finds the grey levels."""
    torch.manual_seed(0)
    network = UNet(1, len(_CLASSES), width=4)
    task = SegmentationTask(network, DiceLoss(), None, None, list(_CLASSES)).eval()
    inputs = InputFormat("generated", 1, size=(96, 96))
    return Predictor(task, inputs, MaskKey(_CLASSES), Normalise(np.array([0.5]), np.array([0.2]), 255.0), 32)


def windows() -> tuple[float, float]:
    """Return the CPU seconds of an image by windows that overlap by a quarter, and those of the whole image."""
    torch.manual_seed(0)
    network, image = UNet(1, len(_CLASSES), width=4).eval(), torch.randn(1, 1, *LARGE)
    by_windows = Windows(size=(WINDOW, WINDOW), overlap=0.25)
    with torch.inference_mode():
        network(image[..., :WINDOW, :WINDOW])
        pairs = [
            (_cpu(lambda: by_windows.predict(network, image)), _cpu(lambda: network(image)))
            for _ in range(_REPETITIONS)
        ]
    ours, whole = zip(*pairs, strict=True)
    return median(ours), median(whole)


def _cpu(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> None:
    """Print both."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ours, usual = files(Path(folder))
    print(f"{SIDE}x{SIDE} to mask and overlay: {ours * 1e3:.0f} ms; their PNG by Pillow alone {usual * 1e3:.0f} ms")
    ours, whole = windows()
    print(f"{LARGE[1]}x{LARGE[0]} by windows of {WINDOW}, overlap 0.25: {ours:.2f} s; whole {whole:.2f} s")


if __name__ == "__main__":
    main()
