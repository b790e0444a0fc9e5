"""Score against a factor that is a number: learning rates, batch sizes, numbers of training groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.legend import legend_below
from segbench.pictures.styles import INK, colour, marker, plain
from segbench.reporting.collection.factors import show_value
from segbench.reporting.comparison.amounts import amounts
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.conclusions.extrapolation import Extrapolation, extrapolations, others_of
from segbench.reporting.figures.spec import FigureSpec

WIDTH, HEIGHT = 4.4, 2.8
# Values that span more than this many times the smallest stand on a logarithmic axis.
WIDE = 5
# A row that leaves the number open (null, as all groups) stands beside the others, behind a gap of so many steps.
GAP = 1.3
# Place on the axis, and the row there.
Point = tuple[float, int]


def draw_numbers(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw a line for each combination of the other factors, with the intervals of the means.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the intervals of the means.
        path: The PNG to write; SVG and PDF lie beside it.

    Raises:
        NothingToDrawError: Where no factor has three numbers.
    """
    rows = [i for i, row in enumerate(comparison.rows) if row.done and math.isfinite(evidence.means[i].mean)]
    found = amounts(comparison, rows)
    if found is None or not found.known:
        raise NothingToDrawError("no factor has three numbers")
    factor = comparison.factors[found.place]
    gone_on = {of.others: of for of in extrapolations(comparison) if of.factor == factor}
    known = sorted({*found.known, *(of.forecast.at for of in gone_on.values())})
    open_place = _beyond(known, is_log(known))
    lines: dict[tuple[Any, ...], list[Point]] = {}
    for index, number in found.of.items():
        place = open_place if number is None else number
        lines.setdefault(others_of(comparison.rows[index], found.place), []).append((place, index))
    figure = Figure(dpi=200, layout="constrained")
    axes = figure.subplots()
    for number, points in enumerate(lines.values()):
        _draw(axes, number, sorted(points), evidence, open_place)
    for number, others in enumerate(lines):
        numbers = [point for point in lines[others] if found.of[point[1]] is not None]
        if others in gone_on and numbers:
            _go_on(axes, number, gone_on[others], max(numbers), evidence)
    _finish(axes, known, open_place if None in found.of.values() else None)
    axes.set_xlabel(factor, fontsize=8.5)
    axes.set_ylabel(f"{comparison.score.title_with_unit} ({comparison.split} split)", fontsize=8.5)
    handles = [Line2D([], [], color=colour(number), marker=marker(number)) for number in range(len(lines))]
    labels = [", ".join(others) or "mean" for others in lines]
    said = f"upright: {evidence.ends}" + ("; dashed: extrapolated, 95 % interval over seeds" if gone_on else "")
    below = legend_below(figure, handles, labels, WIDTH, said)
    figure.set_size_inches(WIDTH, HEIGHT + below)
    save(figure, path)


def is_log(values: Sequence[float]) -> bool:
    """Say whether numbers are drawn on a logarithmic axis."""
    return min(values) > 0 and max(values) > WIDE * min(values)


def _has_numbers(comparison: Comparison) -> bool:
    return amounts(comparison, range(len(comparison.rows))) is not None


def _beyond(places: list[float], log: bool) -> float:
    """Return the place behind the largest number, a step like those before it."""
    ordered = sorted(places)
    if log:
        steps = [right / left for left, right in pairwise(ordered)]
        return ordered[-1] * float(np.exp(GAP * np.mean(np.log(steps))))
    return ordered[-1] + GAP * (ordered[-1] - ordered[0]) / max(1, len(ordered) - 1)


def _draw(axes: Axes, number: int, points: list[Point], evidence: Evidence, open_place: float) -> None:
    """Draw a line through the numbers, and what has none beside it."""
    through = [(place, evidence.means[index].mean) for place, index in points if place != open_place]
    axes.plot(*zip(*through, strict=True), color=colour(number), linewidth=1.1, zorder=2) if through else None
    for place, index in points:
        mean = evidence.means[index]
        if math.isfinite(mean.low) and math.isfinite(mean.high):
            ends = [[mean.mean - mean.low], [mean.high - mean.mean]]
            axes.errorbar(place, mean.mean, ends, color=colour(number), elinewidth=1.2, capsize=2.5, zorder=3)
        style: dict[str, Any] = {"markeredgecolor": INK, "markeredgewidth": 0.5, "markersize": 6, "zorder": 4}
        axes.plot(place, mean.mean, marker(number), color=colour(number), **style)


def _go_on(axes: Axes, number: int, of: Extrapolation, last: Point, evidence: Evidence) -> None:
    """Draw a dashed line from the largest number to the forecast, with its interval."""
    place, index = last
    line = [(place, evidence.means[index].mean), (of.forecast.at, of.score)]
    axes.plot(*zip(*line, strict=True), color=colour(number), linewidth=1.1, linestyle="--", zorder=2)
    ends = [[of.score - of.low], [of.high - of.score]]
    axes.errorbar(of.forecast.at, of.score, ends, color=colour(number), elinewidth=1.2, capsize=2.5, zorder=3)
    style: dict[str, Any] = {"markerfacecolor": "white", "markeredgewidth": 1.2, "markersize": 6, "zorder": 4}
    axes.plot(of.forecast.at, of.score, marker(number), color=colour(number), **style)


def _finish(axes: Axes, known: Sequence[float], open_place: float | None) -> None:
    """Set the axis with a tick at each number, and one for what has none."""
    if is_log(known):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    words = {number: f"{number:g}" for number in known} | ({} if open_place is None else {open_place: show_value(None)})
    axes.set_xticks([*words], [*words.values()])
    axes.tick_params(labelsize=8)
    plain(axes)


FIGURE = FigureSpec("Score against a number", "numbers.png", draw_numbers, needs=_has_numbers)
