"""How far configurations lie apart, with intervals: what can be told apart and what cannot, at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.styles import INK, colour, plain, wrapped
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.comparison.words import HIGHER, show_higher, show_p
from segbench.reporting.conclusions.evidence import Evidence, Pair
from segbench.reporting.figures.spec import FigureSpec
from segbench.reporting.statistics.pairs import LEVEL

WIDTH = 7.2
MOST_PAIRS = 12
LABEL_CHARACTERS, NOTE_CHARACTERS = 30, 120


@dataclass(frozen=True)
class Line:
    """One line of the figure: ``above`` minus ``below`` (indices of rows) with its interval and its test."""

    above: int
    below: int
    mean: float
    low: float
    high: float
    p: float
    higher: str


def draw_differences(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw the paired differences as a forest plot: of all pairs, or of many only those of the best configuration.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the pairs.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no two configurations can be compared.
    """
    shown = lines(evidence, comparison.direction)
    if not shown:
        done = sum(bool(row.done) for row in comparison.rows)
        raise NothingToDrawError(
            "only one configuration has finished runs" if done == 1 else "no two configurations can be compared"
        )
    labels = [_label(comparison, line, len(evidence.pairs) > MOST_PAIRS) for line in shown]
    inches = [0.16 + 0.155 * (label.count("\n") + 1) for label in labels]
    middles = np.cumsum(inches) - np.array(inches) / 2
    figure = Figure(figsize=(WIDTH, sum(inches) + 1.1), dpi=200, layout="constrained")
    axes, words = figure.subplots(1, 2, sharey=True, width_ratios=(0.95, 1))
    only_best = len(evidence.pairs) > MOST_PAIRS
    for place, line in zip(middles, shown, strict=True):
        _draw_line(axes, float(place), line, colour(line.below if only_best else line.above))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    axes.set_yticks(middles, labels)
    # Above the first line stands the heading of the figures.
    axes.set_ylim(sum(inches), -0.22)
    axis, note = _words(comparison, evidence, shown)
    axes.set_xlabel(axis, fontsize=8.5)
    figure.supxlabel(note, fontsize=7.5, color="0.3")
    plain(axes, "x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _write(words, middles.tolist(), shown, comparison.graded)
    save(figure, path)


def lines(evidence: Evidence, direction: int = 1) -> list[Line]:
    """Return the lines of the figure.

    Args:
        evidence: What the runs show.
        direction: 1 where the higher score is the better one, -1 where the lower is.

    Returns:
        All pairs, turned so that no mean is negative, in the order of the rows. Beyond :data:`MOST_PAIRS` only the best
        row's, as the best minus the other, the closest first.
    """
    if len(evidence.pairs) <= MOST_PAIRS:
        return [_line(pair, turned=pair.difference.mean < 0) for pair in evidence.pairs]
    best = best_compared(evidence, direction)
    own = [_line(pair, turned=pair.second == best) for pair in evidence.pairs if best in (pair.first, pair.second)]
    return sorted(own, key=lambda line: direction * line.mean)


def best_compared(evidence: Evidence, direction: int = 1) -> int:
    """Return the row with the best mean of those that can be compared with any."""
    compared = {index for pair in evidence.pairs for index in (pair.first, pair.second)}
    return max(sorted(compared), key=lambda index: _worth(evidence, index, direction))


def _worth(evidence: Evidence, index: int, direction: int) -> float:
    mean = evidence.means[index].mean
    return direction * mean if np.isfinite(mean) else -np.inf


def _line(pair: Pair, turned: bool) -> Line:
    found, count = pair.difference, len(pair.difference.seeds)
    if not turned:
        higher = show_higher(pair.probability, pair.cases, count)
        return Line(pair.first, pair.second, found.mean, found.low, found.high, pair.p_holm, higher)
    ends, higher = (-found.mean, -found.high, -found.low), show_higher(1 - pair.probability, pair.cases, count)
    return Line(pair.second, pair.first, *ends, pair.p_holm, higher)


def _label(comparison: Comparison, line: Line, only_best: bool) -> str:
    above, below = (comparison.rows[index].label for index in (line.above, line.below))
    if only_best:
        return wrapped(below, LABEL_CHARACTERS)
    together = f"{above} − {below}"
    if len(together) <= LABEL_CHARACTERS:
        return together
    return f"{wrapped(above, LABEL_CHARACTERS, 2)}\n− {wrapped(below, LABEL_CHARACTERS - 2, 2)}"


def _draw_line(axes: Axes, place: float, line: Line, paint: str) -> None:
    """Draw interval and mean; hollow where chance explains the difference."""
    if np.isfinite([line.low, line.high]).all():
        # White below: a light colour keeps its edges where it crosses the line of no difference.
        for shade, width in (("white", 3.6), (paint, 2.2)):
            ends = [line.low, line.high], [place, place]
            axes.plot(*ends, color=shade, linewidth=width, solid_capstyle="butt", zorder=3)
    face = paint if line.p < LEVEL else "white"
    axes.plot(line.mean, place, "o", color=face, markeredgecolor=INK, markeredgewidth=0.9, markersize=6, zorder=4)


def _write(axes: Axes, places: list[float], shown: list[Line], with_higher: bool) -> None:
    """Write the figures beside the lines.

    Of classified images most are right or wrong in both rows, which counts half: in how many one is higher says little.
    """
    digits = 4 if max(abs(line.mean) for line in shown) < 0.01 else 3

    def signed(value: float) -> str:
        return f"{value:+.{digits}f}".replace("-", "−")

    columns = [("difference [95 % interval]", 0.0, "left"), ("p", 0.72, "center"), (HIGHER, 1.0, "right")]
    columns = columns if with_higher else columns[:2]
    table = [tuple(words for words, _, _ in columns)]
    for line in shown:
        known = np.isfinite([line.low, line.high]).all()
        ends = f"{signed(line.low)}, {signed(line.high)}" if known else "no interval"
        table.append((f"{signed(line.mean)} [{ends}]", show_p(line.p), line.higher))
    for number, (height, cells) in enumerate(zip([-0.1, *places], table, strict=True)):
        for (_, place, side), cell in zip(columns, cells[: len(columns)], strict=True):
            style: Any = {"fontsize": 7.5, "ha": side, "va": "center", "weight": "normal" if number else "bold"}
            axes.text(place, height, cell, transform=axes.get_yaxis_transform(), **style)
    axes.set_axis_off()


def _words(comparison: Comparison, evidence: Evidence, shown: list[Line]) -> tuple[str, str]:
    """Say what the axis has, and how to read the rest."""
    name, count = comparison.score.title_with_unit, len(evidence.pairs)
    axis, parts = f"difference in {name} ({comparison.split} split)", []
    if count > MOST_PAIRS:
        worth = [_worth(evidence, index, comparison.direction) for index in range(len(evidence.means))]
        which = "the best" if worth[shown[0].above] == max(worth) else "the best that can be compared"
        parts.append(f"{which}, {comparison.rows[shown[0].above].label}, minus each of the others")
    tested = sum(np.isfinite(pair.p) for pair in evidence.pairs)
    test = f"p: after Holm over {tested}; filled: p < {LEVEL}" if tested else "nothing could be tested"
    parts += ["intervals: each pair's own", test]
    if comparison.graded:
        parts.append(f"{HIGHER}: share of seeds and {comparison.unit}")
    return axis, wrapped("; ".join(parts), NOTE_CHARACTERS, 4)


FIGURE = FigureSpec("Differences with their intervals", "differences.png", draw_differences)
