"""The end of a single run: its scores, where it lies, and its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from segbench.runs.files import read_json
from segbench.scores import Convention, class_scores, mean_score
from segbench.scores.columns import COLUMN_SCORES

_SCORES = ("dice", "iou", "sensitivity", "specificity", "precision")


def print_run(directory: Path, console: Console) -> None:
    """Print the scores of a finished run, per class and their mean, with the convention, costs and places.

    Args:
        directory: The run directory.
        console: Where to print.
    """
    frame = pd.read_parquet(directory / "scores.parquet")
    summary = read_json(directory / "summary.json") or {}
    convention = Convention()
    for split in frame["split"].unique():
        part = frame[frame["split"] == split]
        names = part.sort_values("class_index")["class_name"].unique()
        counts = part[["tp", "fp", "fn", "tn"]].to_numpy().reshape(-1, len(names), 4)
        kind = "volumes, each on its own grid" if str(split).endswith("_volumes") else "images"
        table = Table(title=f"{directory.name}: {split}, {len(counts)} {kind}", title_justify="left")
        table.add_column("class")
        for name in _SCORES:
            table.add_column(name, justify="right")
        per_class = {name: class_scores(counts, name, convention) for name in _SCORES}
        for i, label in enumerate(names):
            if i > 0:
                table.add_row(str(label), *(_figure(per_class[name][i]) for name in _SCORES))
        table.add_section()
        table.add_row("mean", *(_figure(mean_score(counts, name, convention)) for name in _SCORES))
        console.print(table)
        sizes = sorted({f"{height}x{width}" for height, width in zip(part["height"], part["width"], strict=True)})
        size = sizes[0] if len(sizes) == 1 else f"{len(sizes)} sizes, {sizes[0]} for one,"
        accuracy = mean_score(counts, "pixel_accuracy", convention)
        if objects := _object_scores(summary, str(split)):
            console.print(f"objects: {objects}", soft_wrap=True)
        console.print(f"pixel accuracy {_figure(accuracy)}; {convention.describe()}; at {size} pixels", soft_wrap=True)
    if cost := summary.get("cost"):
        console.print(
            f"{cost['weights']:,} weights, {cost['flops_per_image'] / 1e9:.2f} GFLOPs an image, "
            f"{_figure(cost['train_images_per_second'], 1)} images/s in training, "
            f"{_figure(cost['predict_images_per_second'], 1)} in prediction, "
            f"{cost['peak_memory_bytes'] / 2**30:.2f} GiB, {cost['wall_seconds']:.0f} s on {cost['device']}",
            soft_wrap=True,
        )
    console.print(f"run directory: {directory}", soft_wrap=True, highlight=False)
    picture = directory / "figures" / "predictions.png"
    if picture.exists():
        console.print(f"picture:       {picture}", soft_wrap=True, highlight=False)


def _object_scores(summary: dict[str, Any], split: str) -> str:
    """Return the scores of objects in words; empty for data without."""
    scores = summary.get("scores", {}).get(split, {})
    found = [(name, score.unit) for name, score in COLUMN_SCORES.items() if name in scores]
    return ", ".join(
        f"{name.removeprefix('object_').capitalize()} {_figure(scores[name])} {unit}".rstrip() for name, unit in found
    )


def _figure(value: float | None, digits: int = 4) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"
