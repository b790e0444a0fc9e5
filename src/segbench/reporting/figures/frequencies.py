"""How often each class is in the training sets of an experiment, as bars with the percentages written beside them."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure, SubFigure

from segbench.masks import MaskKey
from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.palette import COLOURS, rgb
from segbench.pictures.panels import class_colour
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.figures.spec import FigureSpec, without_evidence
from segbench.runs.split_scores import TaskRecord

MOST_PANELS = 6
BACKGROUND = (0.65, 0.65, 0.65)
# The foreground gets a scale of its own where its most frequent class is below this share of the longest bar.
ENLARGE_BELOW = 1 / 3


@dataclass(frozen=True)
class TrainingSet:
    """The training set of one or several runs.

    Attributes:
        name: The data set.
        images: Number of training images; None where the runs do not say.
        frequencies: Share of the labelled pixels of each class, background first.
        users: The runs that trained on it: row and seed.
        key: Tells the colours of the classes, and whether the first is a background.
    """

    name: str
    images: int | None
    frequencies: dict[str, float]
    users: tuple[tuple[str, int | None], ...]
    key: MaskKey


def draw_frequencies(comparison: Comparison, path: Path) -> None:
    """Draw each class's share of the labelled pixels (or images), a panel for each training set.

    The scale is linear, so that lengths can be compared; a foreground that would be short bars beside a large
    background is drawn a second time, enlarged.

    Args:
        comparison: The experiment.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no finished run tells its class frequencies; no file is written.
    """
    sets = training_sets(comparison)
    if not sets:
        raise NothingToDrawError("no finished run tells the class frequencies of its training set")
    shown = sets[:MOST_PANELS]
    heights = [len(part.frequencies) * 0.28 + 0.8 for part in shown]
    heights[-1] += 0.25 * (len(sets) > len(shown))
    figure = Figure(figsize=(7.2, sum(heights) + 0.2), dpi=150, layout="constrained")
    parts = figure.subfigures(len(shown), 1, height_ratios=heights, squeeze=False).ravel()
    for part, data in zip(parts, shown, strict=True):
        part.suptitle(_title(data, comparison, len(sets) > 1), fontsize=9)
        _draw(part, data.frequencies, comparison.task, data.key)
    if len(sets) > len(shown):
        parts[-1].supxlabel(f"{len(sets) - len(shown)} more training sets are not shown", fontsize=8)
    save(figure, path)


def training_sets(comparison: Comparison) -> list[TrainingSet]:
    """Return the training sets that differ in name, number of images or class frequencies, in the order of the rows.

    Runs that tell no frequencies, or none of a foreground, are left out.
    """
    users: dict[Any, list[tuple[str, int | None]]] = {}
    for row in comparison.rows:
        for run in row.done:
            data = run.summary.get("data", {})
            frequencies = _frequencies(data.get("class_frequencies"))
            if frequencies:
                images = data.get("images")
                count = images.get("train") if isinstance(images, dict) else None
                key = (str(data.get("name") or "data"), count, tuple(frequencies.items()), run.mask_key)
                users.setdefault(key, []).append((row.label, run.seed))
    return [
        TrainingSet(name, count, dict(items), tuple(found), mask_key)
        for (name, count, items, mask_key), found in users.items()
    ]


def percent(share: float) -> str:
    """Return a share as a percentage that shows rare classes too: ``82.35 %``, ``5.30 %``, ``0.061 %``."""
    if share <= 0:
        return "none"
    value = 100 * share
    digits = 2 if value >= 0.1 else 1 - math.floor(math.log10(value))
    return f"{value:.{digits}f} %"


def _frequencies(value: Any) -> dict[str, float]:
    """Return the frequencies of a summary as they are, or nothing where they are not shares of two or more classes."""
    if not isinstance(value, dict) or len(value) < 2:
        return {}
    shares = list(value.values())
    if not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares) or not sum(shares):
        return {}
    return {str(name): float(share) for name, share in value.items()}


def _title(data: TrainingSet, comparison: Comparison, several: bool) -> str:
    """Return what the panel shows; of several training sets also whose they are."""
    title = f"{data.name}, training set" + (f" ({data.images:,} images)" if data.images else "")
    if not several:
        return title
    names = []
    for row in comparison.rows:
        seeds = [seed for label, seed in data.users if label == row.label]
        if seeds:
            whole = len(seeds) == len(row.done)
            which = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
            names.append(row.label if whole else f"{row.label}, {which}")
    return f"{title}\n{textwrap.shorten('; '.join(names), 110, placeholder=' …')}"


def _draw(part: SubFigure, frequencies: dict[str, float], task: TaskRecord, key: MaskKey) -> None:
    """Draw all classes and, beside them in the same lines, the foreground on a scale of its own where that helps.

    Where classes are not painted into masks all are alike.
    """
    labels, grey = task.masks is None, range(key.shown.start)
    shares = [100 * share for share in frequencies.values()]
    enlarged = not labels and len(grey) and len(shares) > 2 and max(shares[1:]) < ENLARGE_BELOW * max(shares)
    grid = part.subplots(1, 2 if enlarged else 1, squeeze=False, sharey=True).ravel()
    for axes, first in zip(grid, (0, 1), strict=False):
        longest = max(shares[first:]) or 1.0
        colours = [BACKGROUND if index in grey else class_colour(index, key) for index in range(first, len(shares))]
        colours = [rgb(COLOURS[0])] * len(shares) if labels else colours
        axes.barh(range(first, len(shares)), shares[first:], 0.72, color=colours)
        for place, share in enumerate(shares[first:], first):
            axes.text(share + 0.015 * longest, place, percent(share / 100), va="center", fontsize=8)
        axes.set_xlim(0, 1.2 * longest)
        # No tick beyond the whole, into which only the percentages reach.
        axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= min(1.2 * longest, 100)])
        whole = f"% of {task.counted}"
        axes.set_xlabel(f"foreground, enlarged ({whole})" if first else whole, fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right"]].set_visible(False)
    names = [textwrap.shorten(name, 36, placeholder="…") for name in frequencies]
    grid[0].set_yticks(range(len(names)), names, fontsize=8)
    grid[0].set_ylim(len(names) - 0.5, -0.5)


FIGURE = FigureSpec("Class frequencies", "frequencies.png", without_evidence(draw_frequencies))
