"""CPU time and memory of a report of many generated runs.

``python -m benchmarks.report`` writes the runs into a temporary folder; ``--runs``, ``--images`` and
``--configurations`` set their numbers, ``--profile`` shows where the time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from segbench.environment import peak_memory_bytes
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.page import write_report
from segbench.runs.directory import SCHEMA
from segbench.runs.scores_file import write_scores
from segbench.runs.split_scores import About

CLASSES = ("background", "right ventricle", "myocardium", "left ventricle")
PIXELS = 96 * 96
GROUP_SIZE = 5
# The short script is so short that one reading is measured badly.
ROUNDS = 3


def write_runs(folder: Path, runs: int, images: int, configurations: int, failed: int = 0) -> None:
    """Write run directories like those of trained runs, without checkpoints and logs.

    Args:
        folder: The experiment's directory, to be created.
        runs: Number of run directories; a multiple of ``configurations``.
        images: Number of test images.
        configurations: Number of networks; the other runs are further seeds.
        failed: Number of failed runs, the last ones.
    """
    random = np.random.default_rng(0)
    hardness = random.beta(2, 12, images)
    for number in range(runs):
        network, seed = number % configurations, number // configurations
        name = f"cmr-net{network:03d}-seed{seed}"
        scores = None if number >= runs - failed else _scores(random, hardness, 1 - 0.01 * (network % 7))
        _write_run(folder / name, name, network, seed, scores)


def _write_run(folder: Path, name: str, network: int, seed: int, scores: pd.DataFrame | None) -> None:
    folder.mkdir(parents=True)
    choices = {"data": "cmr", "model": f"net{network:03d}", "loss": "dice", "optimizer": "adam"}
    identity = {"schema": SCHEMA, "id": name, "name": name, "experiment": "bench/report", "seed": seed}
    identity |= {"choices": choices}
    comparison = {"question": "Which network is best?", "factors": ["model"], "metric": "dice", "split": "test"}
    config = {
        "seed": seed,
        "model": {"_target_": f"net{network}", "width": 16, "depth": 4, "blocks": list(range(4))},
        "data": {"_target_": "cmr", "size": [96, 96], "batch_size": 8, "split": [0.7, 0.1, 0.2], "root": "/data"},
        "optimizer": {"_target_": "adam", "lr": 1e-3, "betas": [0.9, 0.999], "weight_decay": 0.0},
        "augmentation": {f"step{step}": {"p": 0.5, "limit": [step, step + 1]} for step in range(8)},
        "trainer": {"max_epochs": 50, "precision": "bf16-mixed", "monitor": "val/dice", "threads": 1},
        "paths": {"outputs": "/outputs", "cache": "/cache"},
        "comparison": comparison,
    }
    cost = {"parameters": 335364, "flops_per_image": 605454336, "wall_seconds": 138.6, "peak_memory_bytes": 682700800}
    summary = {"cost": cost | {"device": "CPU"}, "git": {"commit": "0" * 40}, "data": {"name": "cmr"}, "seed": seed}
    status = {
        "state": "failed" if scores is None else "done",
        "reason": "out of memory",
        "started": "2026-01-01T00:00:00",
    }
    for file, value in (("run", identity), ("summary", summary), ("status", status)):
        (folder / f"{file}.json").write_text(json.dumps(value))
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    falling = np.exp(-np.arange(50) / 10)
    curves = {"epoch": range(1, 51), "train/loss": falling, "val/loss": falling + 0.1, "val/dice": 0.9 - falling}
    pd.DataFrame(curves).to_csv(folder / "metrics.csv", index=False)
    if scores is not None:
        write_scores(folder / "scores.parquet", [scores], About("segmentation"))


def _scores(random: np.random.Generator, hardness: np.ndarray, quality: float) -> pd.DataFrame:
    """Return the counts of a test split: confusion matrices first, as they must add up."""
    images, classes = len(hardness), len(CLASSES)
    size = np.array([0.82, 0.05, 0.06, 0.07]) * PIXELS
    missed = np.clip(hardness[:, None] / quality + random.normal(0, 0.02, (images, classes)), 0.001, 0.9)
    wrong = (missed * size * [0.05, 1, 1, 1]).astype(np.int64)
    confusion = np.zeros((images, classes, classes), np.int64)
    for label in range(classes):
        confusion[:, label, label] = int(size[label]) - wrong[:, label]
        confusion[:, label, (label + 1) % classes] = wrong[:, label]
    tp = confusion.diagonal(axis1=1, axis2=2)
    fn, fp = confusion.sum(axis=2) - tp, confusion.sum(axis=1) - tp
    names = [f"patient{image // GROUP_SIZE:03d}" for image in range(images)]
    table = {
        "split": "test",
        "id": np.repeat([f"{name}/{image % GROUP_SIZE}" for image, name in enumerate(names)], classes),
        "group": np.repeat(names, classes),
        "height": 96,
        "width": 96,
        "class_index": np.tile(np.arange(classes), images),
        "class_name": np.tile(CLASSES, images),
        "tp": tp.ravel(),
        "fp": fp.ravel(),
        "fn": fn.ravel(),
        "tn": (confusion.sum(axis=(1, 2))[:, None] - tp - fp - fn).ravel(),
    }
    return pd.DataFrame(table | {f"predicted_{label}": confusion[:, :, label].ravel() for label in range(classes)})


def measure(folder: Path) -> tuple[Comparison, float, float, float]:
    """Report on the runs of a folder: collect, compare, and write tables, figures and page.

    Returns:
        The comparison, CPU seconds until it was ready, those in total, and the peak memory of this process in GiB.
    """
    started = time.process_time()
    comparison = compare(collect([folder]))
    compared = time.process_time() - started
    write_report(comparison)
    seconds = time.process_time() - started
    return comparison, compared, seconds, peak_memory_bytes() / 2**30


def hundred(folder: Path) -> tuple[float, float]:
    """Return the CPU seconds of a report of 100 runs of 500 images, and of :func:`bare`.

    Args:
        folder: An empty folder.
    """
    write_runs(folder / "report", 100, 500, 20)
    _, _, seconds, _ = measure(folder)
    return seconds, bare(folder / "report")


def bare(folder: Path) -> float:
    """Return the CPU seconds in which a short script reads the same scores and has the mean Dice of each run."""
    started = time.process_time()
    for path in sorted(folder.glob("*/scores.parquet")) * ROUNDS:
        table = pd.read_parquet(path)
        dice = 2 * table.tp / (2 * table.tp + table.fp + table.fn)
        dice.groupby(table.class_name).mean().mean()
    return (time.process_time() - started) / ROUNDS


def main() -> None:
    """Write the runs, report on them, and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--configurations", type=int, default=20)
    parser.add_argument("--failed", type=int, default=100, help="number of failed runs")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_runs(Path(folder) / "report", options.runs, options.images, options.configurations, options.failed)
        profile = cProfile.Profile() if options.profile else None
        with profile or nullcontext():
            comparison, compared, seconds, gibibytes = measure(Path(folder))
        times = seconds / bare(Path(folder) / "report")
        if profile:
            pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    print(f"{len(comparison.done)} finished runs of {options.images} images and {len(comparison.unfinished)} failed:")
    print(f"compared in {compared:.1f} s of CPU, reported in {seconds:.1f} s of CPU, peak memory {gibibytes:.2f} GiB,")
    print(f"{times:.1f} times as long as a short script reads the scores and has the means")


if __name__ == "__main__":
    main()
