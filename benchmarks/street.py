"""Prepares a data set of Cityscapes' size, and times loading its images from the cache against decoding them.

``python -m benchmarks.street`` prepares 2,975 + 500 generated frames of 2048x1024 and prints time, peak memory and the
ratio (``--frames``, ``--crops``, ``--quick``).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from benchmarks.data import cache_and_decoding
from segbench.data.cityscapes import CityscapesData
from segbench.environment import peak_memory_bytes

HEIGHT, WIDTH = 1024, 2048
FULL = {"train": 2975, "val": 500}
# Number of different files; the others are hard links to them, but are decoded like files of their own.
_DISTINCT = 8
_DECODED = 12


def street_epoch(folder: Path, data: str | None) -> tuple[float, float, str]:
    """Return the seconds per image from the cache and per decoded image, at 512x256, and a description of the files.

    Args:
        folder: For the cache, and for generated files if there are no real ones.
        data: Folder of the real data sets, or None.
    """
    root = Path(data or "") / "cityscapes"
    source = "Cityscapes' own frames"
    if data is None or not root.is_dir():
        root = folder / "cityscapes"
        generate(root, {"train": 6, "val": 2})
        source = "generated files of Cityscapes' size and format (SEGBENCH_DATA has no cityscapes)"
    module = CityscapesData(root=str(root), cache_dir=folder / "cache")
    module.setup()
    return *cache_and_decoding(module, module.records[:_DECODED]), source


def generate(root: Path, frames: dict[str, int]) -> None:
    """Write frames with Cityscapes' layout, size and formats, and about the same file sizes.

    Args:
        root: The folder to create.
        frames: Number of frames of each split.
    """
    chance = np.random.default_rng(0)
    first: dict[str, list[Path]] = {"leftImg8bit": [], "gtFine": []}
    for split, count in frames.items():
        for number in range(count):
            name = f"{split}/{split}_city/{split}_city_{number:06d}_000019"
            image = root / "leftImg8bit" / f"{name}_leftImg8bit.png"
            label = root / "gtFine" / f"{name}_gtFine_labelIds.png"
            for path in (image, label):
                path.parent.mkdir(parents=True, exist_ok=True)
            if len(first["gtFine"]) < _DISTINCT:
                _write_frame(image, label, chance)
                first["leftImg8bit"].append(image)
                first["gtFine"].append(label)
            else:
                image.hardlink_to(first["leftImg8bit"][number % _DISTINCT])
                label.hardlink_to(first["gtFine"][number % _DISTINCT])


def _write_frame(image: Path, label: Path, chance: np.random.Generator) -> None:
    """Write one frame: smooth colours with noise, 2 to 3 MB as a PNG, and regions of labels."""
    coarse = Image.fromarray(chance.integers(0, 255, (32, 64, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.int16)
    noisy = np.clip(smooth + chance.integers(-1, 2, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(image)
    regions = chance.integers(0, 34, (16, 32)).astype(np.uint8)
    Image.fromarray(regions).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST).save(label)


def prepare(folder: Path, frames: dict[str, int], crops: bool) -> tuple[float, int, int]:
    """Prepare generated frames like a first run, up to the point where training would begin.

    Args:
        folder: For the files and the cache.
        frames: Number of frames of each split.
        crops: Whether frames are kept whole, for crops, rather than resized to 512x256.

    Returns:
        Seconds, the process's total peak memory in bytes, and the cache's size in bytes.
    """
    root = folder / "cityscapes"
    generate(root, frames)
    module = CityscapesData(root=str(root), input="crop" if crops else "resize", cache_dir=folder / "cache")
    begin = time.perf_counter()
    module.find()
    arrays, faults = module.load(module.records)
    spent = time.perf_counter() - begin
    assert not faults
    return spent, peak_memory_bytes(), arrays.images.nbytes + arrays.targets.nbytes


def main() -> None:
    """Prepare the data and print time, memory and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, help="number of frames instead of 3,475")
    parser.add_argument("--crops", action="store_true", help="keep frames whole, for crops (29 GB of disk for all)")
    parser.add_argument("--quick", action="store_true", help="12 frames")
    options = parser.parse_args()
    number = 12 if options.quick else options.frames
    frames = FULL if number is None else {"train": number - number // 7, "val": max(number // 7, 1)}
    console = Console()
    with tempfile.TemporaryDirectory(dir=os.environ.get("SEGBENCH_SCRATCH")) as scratch:
        spent, peak, size = prepare(Path(scratch), frames, options.crops)
        count = sum(frames.values())
        kept = "whole" if options.crops else "at 512x256"
        speed = f"{spent:.0f} s, {spent / count * 1e3:.0f} ms per frame"
        console.print(f"{count:,} frames of {WIDTH}x{HEIGHT} prepared, kept {kept}: {speed}")
        console.print(f"cache {size / 2**20:,.0f} MiB; peak memory of the process {peak / 2**20:,.0f} MiB")
        cached, decoded, source = street_epoch(Path(scratch) / "ratio", os.environ.get("SEGBENCH_DATA"))
    ratio = cached / decoded
    console.print(
        f"per image, from the cache {cached * 1e3:.2f} ms, decoded {decoded * 1e3:.1f} ms: ratio {ratio:.3f} ({source})"
    )


if __name__ == "__main__":
    main()
