"""The end of a single run: its scores, where it lies, and its picture."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from segbench.runs.files import read_json
from segbench.runs.split_counts import SplitCounts, read_counts
from segbench.runs.split_labels import SplitLabels, derive_label_score
from segbench.scores import Convention, class_scores, mean_score
from segbench.scores.columns import COLUMN_SCORES
from segbench.scores.labels import LABEL_CONVENTION

_SCORES = ("dice", "iou", "sensitivity", "specificity", "precision")
_LABEL_TITLES = {"f1": "F1", "sensitivity": "sensitivity", "precision": "precision"}


def print_run(directory: Path, console: Console) -> None:
    """Print the scores of a finished run, per class and their mean, with the convention, costs and places.

    Args:
        directory: The run directory.
        console: Where to print.
    """
    summary = read_json(directory / "summary.json") or {}
    for split, scores in read_counts(directory / "scores.parquet").items():
        title = f"{directory.name}: {split}"
        if isinstance(scores, SplitLabels):
            _print_labels(title, scores, console)
        else:
            _print_counts(title, scores, console)
    if best := summary.get("best"):
        chosen = "the last" if best["monitor"] == "last" else f"the best by {best['monitor']}"
        console.print(f"weights of epoch {best['epoch']} of {summary['epochs']}, {chosen}", soft_wrap=True)
    if cost := summary.get("cost"):
        console.print(
            f"{cost['weights']:,} weights, {cost['flops_per_image'] / 1e9:,.4g} GFLOPs an image, "
            f"{_figure(cost['train_images_per_second'], 1)} images/s in training, "
            f"{_figure(cost['predict_images_per_second'], 1)} in prediction, "
            f"{cost['peak_memory_bytes'] / 2**30:.2f} GiB, {cost['wall_seconds']:.0f} s on {cost['device']}",
            soft_wrap=True,
        )
    console.print(f"run directory: {directory}", soft_wrap=True, highlight=False)
    picture = directory / "figures" / "predictions.png"
    if picture.exists():
        console.print(f"picture:       {picture}", soft_wrap=True, highlight=False)


def _print_counts(title: str, split: SplitCounts, console: Console) -> None:
    """Print the scores of pixels."""
    convention, counts = Convention().of(split.background), split.counts
    own = {"volumes": "volumes, each on its own grid", "full": "images at their own size"}
    kind = own.get(title.rpartition("_")[2], "images")
    table = _table(f"{title}, {len(counts)} {kind}", _SCORES)
    per_class = {name: class_scores(counts, name, convention) for name in _SCORES}
    for i, label in enumerate(split.class_names):
        if i >= convention.first:
            table.add_row(escape(label), *(_figure(per_class[name][i]) for name in _SCORES))
    table.add_section()
    table.add_row("mean", *(_figure(mean_score(counts, name, convention)) for name in _SCORES))
    console.print(table)
    if objects := _object_scores(split, convention):
        console.print(f"objects: {objects}", soft_wrap=True)
    sizes = sorted(f"{width}x{height}" for height, width in split.sizes)
    size = sizes[0] if len(sizes) == 1 else f"{len(sizes)} sizes, {sizes[0]} for one,"
    accuracy = f"pixel accuracy {_figure(mean_score(counts, 'pixel_accuracy', convention))}"
    accuracy += "" if split.background else f"; pooled mIoU {_figure(mean_score(counts, 'miou', convention))}"
    console.print(f"{accuracy}; {convention.describe()}; at {size} pixels", soft_wrap=True)


def _object_scores(split: SplitCounts, convention: Convention) -> str:
    """Return the scores of objects in words; empty for data without."""
    found = {name: score for name, score in COLUMN_SCORES.items() if split.has(name)}
    return ", ".join(
        f"{_short(score.title)} {_figure(mean_score(split.values(name), name, convention))} {score.unit}".rstrip()
        for name, score in found.items()
    )


def _short(title: str) -> str:
    """Return a title without what the line says already: ``object Hausdorff distance`` as ``Hausdorff``."""
    return title.removeprefix("object ").removesuffix(" distance")


def _print_labels(title: str, labels: SplitLabels, console: Console) -> None:
    """Print the scores of classified images."""
    table = _table(f"{title}, {len(labels.ids)} images", ("images", *_LABEL_TITLES.values()))
    there = labels.confusion.sum(axis=1)
    for index, label in enumerate(labels.class_names):
        scores = (derive_label_score(labels, f"{name}_{label}") for name in _LABEL_TITLES)
        table.add_row(escape(label), str(there[index]), *map(_figure, scores))
    table.add_section()
    table.add_row("mean", "", *(_figure(derive_label_score(labels, name)) for name in _LABEL_TITLES))
    console.print(table)
    right, all_images = int(labels.right.sum()), len(labels.ids)
    console.print(
        f"accuracy {_figure(right / all_images)} ({right} of {all_images} images right); {LABEL_CONVENTION.describe()}",
        soft_wrap=True,
    )
    named = labels.confusion.sum(axis=0)
    if never := [label for label, count in zip(labels.class_names, named, strict=True) if not count]:
        console.print(f"no image was taken for {', '.join(never)}: other seeds may do better", soft_wrap=True)


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("class")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _figure(value: float | None, digits: int = 4) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"
