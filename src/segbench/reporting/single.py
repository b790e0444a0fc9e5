"""The end of a single run: its scores, where it lies, and its picture."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from segbench.runs.files import read_json
from segbench.runs.scores_file import read_scores
from segbench.runs.split_scores import SplitScores
from segbench.words import decimal

# What is scored, by the end of the split's name.
_SCORED = {"volumes": "volumes, each on its own grid", "full": "images at their own size"}


def print_run(directory: Path, console: Console) -> None:
    """Print the scores of a finished run, per class and their mean, with the convention, costs and places.

    Args:
        directory: The run directory.
        console: Where to print.
    """
    summary = read_json(directory / "summary.json") or {}
    for name, split in read_scores(directory / "scores.parquet").items():
        scored = f"{len(split.ids)} {_SCORED.get(name.rpartition('_')[2], 'images')}"
        _print_split(f"{directory.name}: {name}, {scored}", split, console)
    if best := summary.get("best"):
        chosen = "the last" if best["monitor"] == "last" else f"the best by {best['monitor']}"
        console.print(f"weights of epoch {best['epoch']} of {summary['epochs']}, {chosen}", soft_wrap=True)
    if cost := summary.get("cost"):
        console.print(
            f"{cost['parameters']:,} parameters, {cost['flops_per_image'] / 1e9:,.4g} GFLOPs an image, "
            f"{decimal(cost['train_images_per_second'], 1)} images/s in training, "
            f"{decimal(cost['predict_images_per_second'], 1)} in prediction, "
            f"{cost['peak_memory_bytes'] / 2**30:.2f} GiB, {cost['wall_seconds']:.0f} s on {cost['device']}",
            soft_wrap=True,
        )
    console.print(f"run directory: {directory}", soft_wrap=True, highlight=False)
    picture = directory / "figures" / "predictions.png"
    if picture.exists():
        console.print(f"picture:       {picture}", soft_wrap=True, highlight=False)


def _print_split(title: str, split: SplitScores, console: Console) -> None:
    overview = split.overview()
    table = Table(title=title, title_justify="left")
    table.add_column("class")
    for name in overview.columns:
        table.add_column(name, justify="right")
    for label, cells in overview.classes:
        table.add_row(escape(label), *cells)
    table.add_section()
    table.add_row("mean", *overview.mean)
    console.print(table)
    for line in overview.lines:
        console.print(line, soft_wrap=True)
