"""The end of a single run: its scores, where it lies, and its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from segbench.errors import CheckpointError
from segbench.runs.directory import PRUNED, RunDirectory
from segbench.runs.readers import DamagedError, named, summary_file
from segbench.runs.scores_file import read_scores
from segbench.runs.split_scores import SplitScores
from segbench.terminal import from_here, prose, say, shown
from segbench.words import decimal

# What is scored, by the end of the split's name.
_SCORED = {"volumes": "volumes, each on its own grid", "full": "images at their own size"}


def print_run(directory: Path, console: Console) -> None:
    """Print the scores of a finished run, per class and their mean, with the convention, costs and places.

    A run that was pruned has none, and has said so.

    Args:
        directory: The run directory.
        console: Where to print.

    Raises:
        CheckpointError: If a file with its results is lost or damaged.
    """
    if RunDirectory(directory).state() == PRUNED:
        return
    try:
        splits = named(directory / "scores.parquet", read_scores)
        summary = summary_file(directory / "summary.json")
        lines = named(directory / "summary.json", lambda _: _summary_lines(summary))
    except DamagedError as error:
        raise CheckpointError(f"{directory}: {error}; rerun=true trains the run again") from error
    for name, split in splits.items():
        scored = f"{len(split.ids)} {_SCORED.get(name.rpartition('_')[2], 'images')}"
        _print_split(f"{directory.name}: {name}, {scored}", split, console)
    for line in lines:
        prose(console, line)
    say(console, f"run directory: {from_here(directory)}", soft_wrap=True)
    picture = Path("figures", "predictions.png")
    if (directory / picture).exists():
        say(console, f"picture there: {picture}", soft_wrap=True)


def _summary_lines(summary: dict[str, Any]) -> list[str]:
    lines = []
    if best := summary.get("best"):
        chosen = "the last" if best["monitor"] == "last" else f"the best by {best['monitor']}"
        lines.append(f"weights of epoch {best['epoch']} of {summary['epochs']}, {chosen}")
    if cost := summary.get("cost"):
        lines.append(
            f"{cost['parameters']:,} parameters, {cost['flops_per_image'] / 1e9:,.4g} GFLOPs an image, "
            f"{decimal(cost['train_images_per_second'], 1)} images/s in training, "
            f"{decimal(cost['predict_images_per_second'], 1)} in prediction, "
            f"{cost['peak_memory_bytes'] / 2**30:.2f} GiB, {cost['wall_seconds']:.0f} s on {cost['device']}"
        )
    return lines


def _print_split(title: str, split: SplitScores, console: Console) -> None:
    overview = split.overview()
    table = Table(title=shown(title), title_justify="left")
    table.add_column("class")
    for name in overview.columns:
        table.add_column(shown(name), justify="right")
    for label, cells in overview.classes:
        table.add_row(*map(shown, (label, *cells)))
    table.add_section()
    table.add_row("mean", *overview.mean)
    console.print(table)
    for line in overview.lines:
        prose(console, line)
