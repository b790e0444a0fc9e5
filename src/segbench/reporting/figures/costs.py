"""What a score costs: score against parameters, operations and time, with the configurations that nothing dominates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.legend import legend_below
from segbench.pictures.styles import INK, colour, marker, plain
from segbench.reporting.comparison.estimate import Estimate, estimate
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.spec import FigureSpec

WIDTH, HEIGHT = 7.2, 2.6
MOST_PANELS = 3
# Beside the axes, and of a letter of a tick's label.
MARGIN, LETTER_INCHES = 0.9, 0.075
# Costs that differ by less are those of the same network, measured again.
SAME = 1.02


@dataclass(frozen=True)
class Cost:
    """A cost of a configuration.

    Attributes:
        title: The words at its axis.
        key: Of :data:`segbench.reporting.comparison.model.COSTS`.
        convert: From what is stored there to what is drawn.
        measured: Whether it depends on the machine and its other work.
    """

    title: str
    key: str
    convert: Callable[[float], float] = float
    measured: bool = False

    def of(self, row: Row) -> Estimate:
        """Return mean and deviation over the row's runs."""
        values = [run.summary.get("cost", {}).get(self.key) for run in row.done]
        return estimate([self.convert(value) for value in values if value is not None and value > 0])


PARAMETERS = Cost("parameters", "parameters")
OPERATIONS = Cost("operations per image (FLOPs)", "flops_per_image")
PREDICTION = Cost("prediction (ms per image)", "predict_images_per_second", lambda rate: 1000 / rate, measured=True)
TRAINING = Cost("training (minutes)", "wall_seconds", lambda seconds: seconds / 60, measured=True)


def draw_costs(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw the score over each cost that differs between the configurations, on a logarithmic axis.

    The line is the Pareto front by the means: what lies on it is beaten by nothing that costs as much or less.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the intervals of the means.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no cost differs between two configurations.
    """
    rows = [(i, row) for i, row in enumerate(comparison.rows) if row.done and np.isfinite(evidence.means[i].mean)]
    costs = _costs([row for _, row in rows])[:MOST_PANELS]
    if not costs:
        several = len(rows) > 1
        raise NothingToDrawError("the configurations cost the same" if several else "there is one configuration only")
    figure = Figure(dpi=200, layout="constrained")
    width = WIDTH if len(costs) > 1 else WIDTH / 2
    grid = figure.subplots(1, len(costs), squeeze=False, sharey=True)[0]
    fronts = []
    for axes, cost in zip(grid, costs, strict=True):
        points = [(index, found) for index, row in rows if (found := cost.of(row)).n]
        fronts.append(_draw(axes, points, evidence, comparison.direction))
        _log_axis(axes, [found.mean for _, found in points], (width - MARGIN) / len(costs))
        axes.set_xlabel(cost.title, fontsize=8.5)
    grid[0].set_ylabel(f"{comparison.score.title_with_unit} ({comparison.split} split)", fontsize=8.5)
    handles = [
        Line2D([], [], color=colour(i), marker=marker(i), linestyle="", markeredgecolor=INK, markeredgewidth=0.5)
        for i, _ in rows
    ]
    times = "; level: ± standard deviation of times" if any(cost.measured for cost in costs) else ""
    # One that beats all others is a point, not a line.
    line = "; line: Pareto front, by the means" if max(fronts) > 1 else ""
    words = f"upright: {evidence.ends}{times}{line}"
    below = legend_below(figure, handles, [row.label for _, row in rows], width, words)
    figure.set_size_inches(width, HEIGHT + below)
    save(figure, path)


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Return which configurations no other beats at the same or a lower cost, the cheapest first.

    Args:
        costs: What each costs.
        scores: What each scores; higher is better.
    """
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda index: (costs[index], -scores[index])):
        if not front or scores[index] > scores[front[-1]]:
            front.append(index)
    return front


def _costs(rows: Sequence[Row]) -> list[Cost]:
    """Return the costs that tell the configurations apart.

    Times only where all runs were made on one device, and that of a prediction only where the networks differ: one
    network is as fast as itself, whatever was measured.
    """
    found = [cost for cost in (PARAMETERS, OPERATIONS) if _differs(rows, cost)]
    if len({device for row in rows for device in row.devices}) == 1:
        found += [cost for cost in ((PREDICTION, TRAINING) if found else (TRAINING,)) if _differs(rows, cost)]
    return found


def _differs(rows: Sequence[Row], cost: Cost) -> bool:
    """Say whether a cost differs by more than it does from run to run."""
    estimates = [found for row in rows if (found := cost.of(row)).n]
    values = [found.mean for found in estimates]
    spreads = [found.spread for found in estimates if found.spread is not None]
    noise = 2 * max(spreads, default=0.0)
    return len(values) > 1 and max(values) > max(SAME * min(values), min(values) + noise)


def _draw(axes: Axes, points: Sequence[tuple[int, Estimate]], evidence: Evidence, direction: int) -> int:
    """Draw the configurations over one cost; return how many lie on the Pareto front."""
    scores = [evidence.means[index].mean for index, _ in points]
    front = pareto_front([cost.mean for _, cost in points], [direction * score for score in scores])
    # A step: between two of them, the cheaper one's score is what that cost buys.
    ends = [points[i][1].mean for i in front], [scores[i] for i in front]
    axes.step(*ends, where="post", color="0.55", linewidth=1.1, zorder=2)
    for (index, cost), score in zip(points, scores, strict=True):
        mean = evidence.means[index]
        style: dict[str, Any] = {"color": colour(index), "elinewidth": 1.2, "capsize": 2.5, "zorder": 3}
        if np.isfinite([mean.low, mean.high]).all():
            axes.errorbar(cost.mean, score, [[score - mean.low], [mean.high - score]], **style)
        if cost.spread:
            axes.errorbar(cost.mean, score, xerr=cost.spread, **style | {"elinewidth": 0.7, "capsize": 0})
        style = {"markeredgecolor": INK, "markeredgewidth": 0.5, "markersize": 6.5, "zorder": 4}
        axes.plot(cost.mean, score, marker(index), color=colour(index), **style)
    plain(axes)
    return len(front)


def _log_axis(axes: Axes, values: Sequence[float], inches: float) -> None:
    """Set a logarithmic axis with ticks in words, ``20k``, ``1.5M``, as many as have room; powers need a formula."""
    axes.set_xscale("log")
    low, high = min(values), max(values)
    # Less than an octave wide, the axis would have one tick or none.
    factor = max((high / low) ** 0.12, 1.15)
    ends = low / factor, high * factor
    axes.set_xlim(*ends)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(log_ticks(ends, low, high, inches))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def log_ticks(ends: tuple[float, float], low: float, high: float, inches: float) -> list[float]:
    """Return the ticks of a logarithmic axis: the finest round numbers whose labels do not touch, or the values' ends.

    Args:
        ends: Of the axis.
        low: Smallest value on it.
        high: Largest one.
        inches: Its length.
    """

    def apart(ticks: Sequence[float]) -> bool:
        places = [inches * math.log(tick / ends[0]) / math.log(ends[1] / ends[0]) for tick in ticks]
        widths = [LETTER_INCHES * (len(short(tick)) + 1) for tick in ticks]
        return all(
            right - left >= (first + second) / 2
            for left, right, first, second in zip(places, places[1:], widths, widths[1:], strict=False)
        )

    powers = range(math.floor(math.log10(ends[0])), math.ceil(math.log10(ends[1])) + 1)
    for leading in ((1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**power for power in powers for digit in leading]
        ticks = [tick for tick in ticks if ends[0] <= tick <= ends[1]]
        if len(ticks) > 1 and apart(ticks):
            return ticks
    between = [[float(f"{value:.3g}") for value in np.geomspace(low, high, count)] for count in (3, 2, 1)]
    return next(ticks for ticks in between if apart(ticks))


def short(value: float) -> str:
    """Return a number with a letter for its thousands: ``340k``, ``34.5M``, ``83G``."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


FIGURE = FigureSpec("Score against cost", "costs.png", draw_costs)
