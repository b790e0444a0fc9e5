"""Scores of every class as grouped bars: a group for each class, a bar for each configuration."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.legend import legend_below
from segbench.pictures.palette import ink
from segbench.pictures.styles import colour, hatch, plain
from segbench.reporting.comparison.estimate import Estimate, estimate
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.figures.spec import FigureSpec, without_evidence
from segbench.runs.split_scores import derive

MEAN = "mean"
GROUP = 0.84  # of the distance from one group to the next
AXES_INCHES = 2.3
FONT = 7.5
POINTS = 72.0


# More bars a class are neither legible nor quickly drawn.
MOST_ROWS = 24
# Groups that have an axis each.
MOST_APART = 5
# Values that lie within this share of the highest are drawn closer, but no closer than the least span.
CLOSE, LEAST_SPAN = 0.35, 0.01


def draw_bars(comparison: Comparison, path: Path) -> None:
    """Draw Dice and IoU of each foreground class and their mean, as bars from 0 to 1.

    Where all values lie close together, as points on an axis that shows how they differ.

    Args:
        comparison: The experiment.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Without a finished run; no file is written.
    """
    draw_grouped(comparison, comparison.task.bars, path)


def draw_grouped(comparison: Comparison, scores: Mapping[str, str], path: Path, missing: bool = False) -> None:
    """Draw scores of each class and their mean.

    A bar is the mean over the finished runs of a configuration, with its sample standard deviation where there are two
    or more; each run is a dot. The colours are those of the learning curves.

    Args:
        comparison: The experiment.
        scores: Names of the scores, one or two, with the titles of their axes.
        path: The PNG to write; the SVG lies beside it.
        missing: Whether to draw what is missing to 1, on an axis that ends above the longest bar; else it ends at 1.

    Raises:
        NothingToDrawError: Without a finished run; no file is written.
    """
    rows = [(index, row) for index, row in enumerate(comparison.rows) if row.done]
    if len(rows) > MOST_ROWS:
        raise NothingToDrawError(f"{len(rows)} configurations are more than bars can show ({MOST_ROWS})")
    groups = score_groups(comparison)
    if not rows or not groups:
        raise NothingToDrawError("no run is finished")
    bars = len(rows) * len(groups)
    # Classes of unlike difficulty would hide on one axis how the rows differ in each.
    apart = not missing and len(groups) <= MOST_APART
    panels = [(score, names) for score in scores for names in ([[name] for name in groups] if apart else [groups])]
    across = len(groups) if apart and len(groups) > 1 else 2 if bars <= 6 else 1
    down = -(-len(panels) // across)
    width = min(max(0.2 * bars + 1.0, 7.2), 12.0)
    figure = Figure(dpi=150, layout="constrained")
    below = _legend(figure, comparison, rows, width)
    figure.set_size_inches(width, down * (AXES_INCHES + 0.5) + 0.3 + below)
    bar = GROUP / len(rows)
    for number, (score, names) in enumerate(panels):
        axes = figure.add_subplot(down, across, number + 1)
        ends = _ends(comparison, [score], names) if not missing else _ends_of_missing(comparison, scores)
        group_inches = (width / across - 0.5) / len(names)
        drawn = [
            _draw_bar(axes, group - GROUP / 2 + place * bar, bar, values, index, group_inches, ends)
            for group, name in enumerate(names)
            for place, (index, row) in enumerate(rows)
            if (values := [x for x in run_scores(comparison, row, score, name, missing) if np.isfinite(x)])
        ]
        _draw_runs(axes, drawn)
        _finish(axes, names, scores[score], group_inches, ends)
    save(figure, path)


def _range(
    comparison: Comparison, scores: Iterable[str], groups: Iterable[str], missing: bool = False
) -> tuple[float, float]:
    """Return the lowest and the highest of all runs and whiskers; 1 and 0 without any."""
    low, high = 1.0, 0.0
    for row, score, group in product(comparison.rows, scores, groups):
        found = [value for value in run_scores(comparison, row, score, group, missing) if np.isfinite(value)]
        if found:
            part = estimate(found)
            spread = part.spread or 0.0
            low, high = min([low, *found, part.mean - spread]), max([high, *found, part.mean + spread])
    return low, high


def _ends_of_missing(comparison: Comparison, scores: Iterable[str]) -> tuple[float, float]:
    """Return the ends of the axis of what is missing to 1: above all bars, with room for the figures above them."""
    return 0.0, _range(comparison, scores, score_groups(comparison), missing=True)[1] / 0.6 or 1.0


def _ends(comparison: Comparison, scores: Iterable[str], groups: Iterable[str]) -> tuple[float, float]:
    """Return the ends of the axis: 0 and 1; closer where all values are close, as bars from 0 would look alike."""
    low, high = _range(comparison, scores, groups)
    if not 0 < high - low < CLOSE * high:
        return 0.0, 1.0
    span = max(high - low, LEAST_SPAN)
    # Below, there is room for the figures.
    return max(low - span, 0.0), min(high + 0.3 * span, 1.0)


def score_groups(comparison: Comparison) -> list[str]:
    """Return the groups of bars: the foreground classes, and their mean unless it is that of one class alone."""
    alone = len(comparison.classes) == 1 and comparison.convention.first == 1
    return [*comparison.classes] if alone else [*comparison.classes, MEAN]


def run_scores(comparison: Comparison, row: Row, score: str, group: str, missing: bool = False) -> list[float]:
    """Return a score of each finished run that has the group's class.

    Args:
        comparison: The experiment, whose split and convention hold.
        row: One of its rows.
        score: ``dice`` or ``iou``, say.
        group: A class, or :data:`MEAN` for the mean over them.
        missing: Whether to return what is missing to 1.
    """
    counts = [run.counts[comparison.split] for run in row.done]
    if group == MEAN:
        found = [derive(part, score, comparison.convention) for part in counts]
    else:
        having = [part for part in counts if group in part.class_names]
        found = [derive(part, f"{score}_{group}", comparison.convention) for part in having]
    return [1 - value for value in found] if missing else found


@dataclass(frozen=True)
class _Bar:
    """What lies upon a bar: where its whisker is, which has the mean and the spread, and where the dots of its runs."""

    whisker: float
    result: Estimate
    places: NDArray[np.float64]
    values: list[float]


def _draw_bar(
    axes: Axes,
    left: float,
    bar: float,
    values: list[float],
    index: int,
    group_inches: float,
    ends: tuple[float, float],
) -> _Bar:
    """Draw one bar with its figure in words, for :func:`_draw_runs` to draw its whisker and its runs upon.

    On an axis that does not begin at 0 its length would lie: there the mean is a stroke on a faint ground.
    """
    result = estimate(values)
    paint = colour(index)
    middle, wide = left + bar / 2, bar * 0.92
    look: dict[str, Any] = {"color": paint, "hatch": hatch(index), "edgecolor": "white", "linewidth": 0, "zorder": 2}
    low, high = ends
    if low:
        axes.bar(middle, high - low, wide, bottom=low, **look | {"alpha": 0.15})
        axes.hlines(result.mean, middle - wide / 2, middle + wide / 2, color=paint, linewidth=3.5, zorder=3)
    else:
        axes.bar(middle, result.mean, wide, **look)
    places = np.array([middle])
    if result.spread is not None:
        places = middle + wide * (0.56 * (np.arange(len(values)) + 0.5) / len(values) - 0.1)
    _write(axes, middle, result, values, paint, bar * group_inches, ends)
    return _Bar(middle - 0.28 * wide, result, places, values)


def _draw_runs(axes: Axes, bars: Sequence[_Bar]) -> None:
    """Draw the whiskers and the runs of all bars of an axis: one by one they take most of a report's time."""
    spread = [part for part in bars if part.result.spread is not None]
    if spread:
        ends = ([part.whisker for part in spread], *_columns([(p.result.mean, p.result.spread) for p in spread]))
        # Whisker left, dots right, so that neither hides the other; white below it shows it on a dark bar.
        for paint, thick in (("white", 2.5), ("0.1", 1.0)):
            style: dict[str, Any] = {"color": paint, "elinewidth": thick, "capthick": thick, "capsize": 2}
            axes.errorbar(*ends, fmt="none", zorder=4, **style)
    if bars:
        places, values = (np.concatenate(parts) for parts in _columns([(part.places, part.values) for part in bars]))
        axes.scatter(places, values, s=9, color="white", edgecolors="0.1", linewidths=0.6, zorder=5, clip_on=False)


def _columns(pairs: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _write(
    axes: Axes,
    middle: float,
    result: Estimate,
    values: list[float],
    paint: str,
    bar_inches: float,
    ends: tuple[float, float],
) -> None:
    """Write mean and spread at the foot of the bar, where no whisker is, or above one that is too short for it.

    Nothing where figures of neighbours would run into each other; the tables have them.
    """
    if bar_inches * POINTS < FONT:
        return
    low, top = ends[0], ends[1] - ends[0]
    spread = [] if result.spread is None or not any(values) else [f"± {result.spread:.3f}"]
    parts = [f"{result.mean:.3f}" if any(values) else "0", *spread]
    upright = bar_inches * POINTS >= 0.62 * FONT * max(map(len, parts))
    text = ("\n" if upright else " ").join(parts)
    length = top * (1.25 * FONT * len(parts) if upright else 0.6 * FONT * len(text)) / (AXES_INCHES * POINTS)
    lowest, highest = min(values), max([*values, result.mean + (result.spread or 0.0)])
    inside = min(lowest, result.mean - (result.spread or 0.0)) - low > length + 0.05 * top
    if low:
        paint = "#ffffff"
    axes.text(
        middle,
        low + 0.02 * top if inside else highest + 0.03 * top,
        text,
        rotation=0 if upright else 90,
        ha="center",
        va="bottom",
        fontsize=FONT,
        color=ink(paint) if inside else "0.1",
        path_effects=[withStroke(linewidth=2.5, foreground=paint if inside else "white")],
        zorder=5,
    )


def _finish(axes: Axes, groups: list[str], title: str, group_inches: float, ends: tuple[float, float]) -> None:
    characters = int(group_inches * POINTS / (0.6 * 9))
    names = [textwrap.fill(name, max(characters, 6), break_long_words=False) for name in groups]
    narrow = max(len(word) for name in groups for word in name.split()) > characters
    axes.set_xticks(range(len(groups)), groups if narrow else names, fontsize=9, rotation=90 if narrow else 0)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    if groups[-1] == MEAN:
        axes.get_xticklabels()[-1].set_fontweight("bold")
    if groups[-1] == MEAN and len(groups) > 1:
        axes.axvline(len(groups) - 1.5, color="0.6", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylim(*ends)
    axes.set_title(f"{title}, from {ends[0]:.2g}" if ends[0] else title, fontsize=10)
    if not ends[0] and ends[1] >= 1:
        # Scores and what is missing to them end at 1, also where there is room for figures above.
        axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    plain(axes, "y")
    axes.tick_params(axis="x", length=0, labelsize=9)


def _legend(figure: Figure, comparison: Comparison, rows: list[tuple[int, Row]], width: float) -> float:
    """Name the rows and say what is drawn; return the inches that this takes."""
    drawn = "one run each (dot)"
    if any(len(row.done) > 1 for _, row in rows):
        drawn = "bars or strokes: mean over seeds; whiskers: ± sample standard deviation; dots: single runs"
    handles = [Patch(facecolor=colour(i), hatch=hatch(i), edgecolor="white", linewidth=0) for i, _ in rows]
    labels = [f"{row.label} (n={len(row.done)})" for _, row in rows]
    return legend_below(figure, handles, labels, width, f"{comparison.split} split; {drawn}")


FIGURE = FigureSpec(
    "Dice and IoU of each class",
    "classes.png",
    without_evidence(draw_bars),
    needs=lambda comparison: bool(comparison.task.bars),
)
