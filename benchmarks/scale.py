"""CPU time and memory of what meets every image, by their number: ``python -m benchmarks.scale --images 10000 30000``.

Images are small PNGs of a folder, drawn anew, so that what is measured is what is done for each of them and not its
decoding. Each step is a process of its own, whose peak memory is told; one that begins with all imports.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from benchmarks.report import measure, write_runs
from segbench.data.folder.data import FolderData
from segbench.data.loader import EpochOrder
from segbench.environment import peak_memory_bytes
from segbench.runs.archive import Archive, ArchiveWriter
from segbench.runs.scores_file import read_scores, write_scores
from segbench.runs.split_scores import About
from segbench.tasks.evaluation import CountsTable

SIDE = 32
IN_GROUP = 10
CLASSES = ("background", "cell")
RUNS = 4


class Taken(NamedTuple):
    """CPU seconds of a step, of all its threads, and the most GiB that its process has had."""

    seconds: float
    gibibytes: float


def draw(folder: Path, images: int) -> None:
    """Write images and masks, all different, ten of a group: ``images/g00001_3.png``."""
    random = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(images):
        group, index = divmod(number, IN_GROUP)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        row, column = random.integers(4, SIDE - 4, 2).tolist()
        cv2.circle(mask, (column, row), 4, 255, -1)
        image = random.integers(0, 200, (SIDE, SIDE), np.uint8) + mask // 5
        for place, pixels in (("images", image), ("masks", mask)):
            cv2.imwrite(str(folder / place / f"g{group:05d}_{index}.png"), pixels)


def data_of(folder: Path, **options: Any) -> FolderData:
    """Return the data module of the drawn images, all of which are read by the first one, and split by group."""
    data = FolderData(
        root=str(folder), cache_dir=folder / "cache", group="*_?", batch_size=64, size=[SIDE, SIDE], **options
    )
    data.setup()
    return data


def shuffle(images: int) -> None:
    """Draw the order of an epoch, and cut it into batches."""
    for _ in EpochOrder(images, 64, seed=0).batches(0, 0):
        pass


def scores(folder: Path, images: int) -> None:
    """Count an epoch's pixels image by image, write ``scores.parquet`` and read it."""
    table, batch = CountsTable(len(CLASSES)), 100
    confusion = torch.tensor([[800, 24], [24, 176]]).repeat(batch, 1, 1)
    ids = [f"g{number // IN_GROUP:05d}_{number % IN_GROUP}" for number in range(images)]
    for start in range(0, images, batch):
        table.update(ids[start : start + batch], confusion, (SIDE, SIDE))
    frame = table.frame("test", CLASSES, {name: name.partition("_")[0] for name in ids})
    write_scores(folder / "scores.parquet", [frame], About("segmentation"))
    assert len(read_scores(folder / "scores.parquet")["test"].ids) == images


def archive(folder: Path, images: int) -> None:
    """Keep the predictions of all images, and look at ten."""
    writer, mask = ArchiveWriter(float("inf")), np.eye(SIDE, dtype=np.uint8)
    for number in range(images):
        writer.add(f"{number}", mask)
    writer.write(folder / "predictions.zip", split="test")
    kept = Archive.open(folder / "predictions.zip")
    assert kept is not None
    for number in range(0, images, -(-images // 10)):
        assert kept.mask(f"{number}").shape == mask.shape


def report(folder: Path, images: int) -> None:
    """Write the report of runs that were tested on all images."""
    write_runs(folder / "runs/report", RUNS, images, 2)
    measure(folder / "runs")


def steps(folder: Path, images: int) -> dict[str, Callable[[], object]]:
    """Return the steps by name, in the order in which they build on each other."""
    return {
        "find, check, split and cache": lambda: data_of(folder),
        "the same again": lambda: data_of(folder),
        "folds": lambda: data_of(folder, folds=5, fold=0),
        "order of an epoch": lambda: shuffle(images),
        "counts, scores.parquet": lambda: scores(folder, images),
        "predictions.zip, 10 looks": lambda: archive(folder, images),
        f"{RUNS} runs written and reported": lambda: report(folder, images),
    }


def apart(step: Callable[[], object]) -> Taken:
    """Do a step in a process of its own.

    Raises:
        RuntimeError: If it fails.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(step, sender))
    process.start()
    sender.close()
    try:
        return Taken(*receiver.recv())
    except EOFError:
        raise RuntimeError("the step failed; its process says why") from None
    finally:
        process.join()


def _tell(step: Callable[[], object], sender: Connection) -> None:
    started = time.process_time()
    step()
    sender.send((time.process_time() - started, peak_memory_bytes() / 2**30))


def main() -> None:
    """Measure and print a table: a row for each step, two columns for each number of images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 30_000])
    options = parser.parse_args()
    logging.getLogger("segbench").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    rows: dict[str, list[Taken]] = {}
    for images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder) / "data", images)
            for name, step in steps(Path(folder) / "data", images).items():
                rows.setdefault(name, []).append(apart(step))
                print(f"{images:,} images, {name}: {rows[name][-1].seconds:.1f} s", flush=True)
    print("\n| |", " | ".join(f"{images:,} images" for images in options.images), "|")
    print("|---|" + "---|" * len(options.images))
    for name, found in rows.items():
        print(f"| {name} |", " | ".join(f"{taken.seconds:.1f} s, {taken.gibibytes:.2f} GiB" for taken in found), "|")


if __name__ == "__main__":
    main()
