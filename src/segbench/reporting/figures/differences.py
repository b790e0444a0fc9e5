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
from segbench.reporting.comparison.words import BETTER, NOTHING, show_better, show_p
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.spec import FigureSpec
from segbench.reporting.statistics.decision import Compared
from segbench.reporting.statistics.families import LEVEL

WIDTH = 7.2
MOST_PAIRS = 12
LABEL_CHARACTERS, NOTE_CHARACTERS = 30, 120


@dataclass(frozen=True)
class Line:
    """One line of the figure: a comparison, and in how many pairs of seed and image its first row is better."""

    found: Compared
    better: str


def draw_differences(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw the comparisons that the question needs as a forest plot: of many pairs only those of the best row.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the decision.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no two configurations could be tested.
    """
    shown = lines(evidence, comparison.direction)
    if not shown:
        done = sum(bool(row.done) for row in comparison.rows)
        raise NothingToDrawError(
            "only one configuration has finished runs" if done == 1 else "no two configurations could be tested"
        )
    one = _common(shown)
    labels = [_label(comparison, line.found, one) for line in shown]
    inches = [0.16 + 0.155 * (label.count("\n") + 1) for label in labels]
    middles = np.cumsum(inches) - np.array(inches) / 2
    figure = Figure(figsize=(WIDTH, sum(inches) + 0.95), dpi=200, layout="constrained")
    axes, words = figure.subplots(1, 2, sharey=True, width_ratios=(0.95, 1))
    for place, line in zip(middles, shown, strict=True):
        first, second = line.found.rows
        _draw_line(axes, float(place), line.found, colour(second if one == first else first))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    # Small differences have long numbers, which would touch.
    axes.locator_params(axis="x", nbins=5)
    axes.set_yticks(middles, labels)
    # Above the first line stands the heading of the figures.
    axes.set_ylim(sum(inches), -0.22)
    axis, note = _words(comparison, evidence.rate, one)
    axes.set_xlabel(axis, fontsize=8.5)
    figure.supxlabel(note, fontsize=7.5, color="0.3")
    plain(axes, "x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _write(words, middles.tolist(), shown, comparison.graded)
    save(figure, path)


def lines(evidence: Evidence, direction: int = 1) -> list[Line]:
    """Return the lines of the figure: each comparison of the question; of many pairs those of the best row.

    Args:
        evidence: What the runs show.
        direction: 1 where the higher score is the better one, -1 where the lower is.
    """
    decision = evidence.decision
    compared = decision.compared
    if decision.question == "pairs" and len(compared) > MOST_PAIRS:
        compared = tuple(found for found in compared if decision.standings[0].row in found.rows)
    return [Line(found, _better(evidence, found, direction)) for found in compared]


def _better(evidence: Evidence, found: Compared, direction: int) -> str:
    pair = evidence.pair(*found.rows)
    if pair is None:
        return NOTHING
    probability = pair.probability if direction > 0 else 1 - pair.probability
    return show_better(probability, pair.cases, len(pair.difference.seeds))


def _common(shown: list[Line]) -> int | None:
    """Return the row that stands first, or second, on every line; None where there is none or one line only."""
    firsts, seconds = ({line.found.rows[place] for line in shown} for place in (0, 1))
    if len(shown) == 1:
        return None
    return next((rows.pop() for rows in (firsts, seconds) if len(rows) == 1), None)


def _label(comparison: Comparison, found: Compared, one: int | None) -> str:
    first, second = (comparison.rows[index].label for index in found.rows)
    if one is not None:
        return wrapped(second if one == found.first else first, LABEL_CHARACTERS)
    together = f"{first} − {second}"
    if len(together) <= LABEL_CHARACTERS:
        return together
    return f"{wrapped(first, LABEL_CHARACTERS, 2)}\n− {wrapped(second, LABEL_CHARACTERS - 2, 2)}"


def _draw_line(axes: Axes, place: float, line: Compared, paint: str) -> None:
    """Draw interval and gain; hollow where nothing is shown."""
    if np.isfinite([line.low, line.high]).all():
        # White below: a light colour keeps its edges where it crosses the line of no difference.
        for shade, width in (("white", 3.6), (paint, 2.2)):
            ends = [line.low, line.high], [place, place]
            axes.plot(*ends, color=shade, linewidth=width, solid_capstyle="butt", zorder=3)
    face = paint if line.verdict else "white"
    axes.plot(line.gain, place, "o", color=face, markeredgecolor=INK, markeredgewidth=0.9, markersize=6, zorder=4)


def _write(axes: Axes, places: list[float], shown: list[Line], with_better: bool) -> None:
    """Write the figures beside the lines.

    Of classified images most are right or wrong in both rows, which counts half: in how many one is better says little.
    """
    digits = 4 if max(abs(line.found.gain) for line in shown) < 0.01 else 3

    def signed(value: float) -> str:
        return f"{value:+.{digits}f}".replace("-", "−")

    columns = [("gain [interval]", 0.0, "left"), ("p", 0.72, "center"), (BETTER, 1.0, "right")]
    columns = columns if with_better else columns[:2]
    table = [tuple(words for words, _, _ in columns)]
    for line in shown:
        found = line.found
        ends = f"{signed(found.low)}, {signed(found.high)}"
        table.append((f"{signed(found.gain)} [{ends}]", show_p(found.p), line.better))
    for number, (height, cells) in enumerate(zip([-0.1, *places], table, strict=True)):
        for (_, place, side), cell in zip(columns, cells[: len(columns)], strict=True):
            style: Any = {"fontsize": 7.5, "ha": side, "va": "center", "weight": "normal" if number else "bold"}
            axes.text(place, height, cell, transform=axes.get_yaxis_transform(), **style)
    axes.set_axis_off()


def _words(comparison: Comparison, rate: float, one: int | None) -> tuple[str, str]:
    """Say what the axis has, and how to read the rest."""
    gain = "gain"
    if one is not None:
        gain = f"gain {'over' if comparison.family == 'baseline' else 'of'} {comparison.rows[one].label}"
    axis = wrapped(f"{gain} in {comparison.score.title_with_unit} ({comparison.split} split)", 52)
    # A p-value of a planned look is stretched to this level (docs/statistics.md), unlike its interval.
    parts = [f"filled: p < {LEVEL}, corrected", f"intervals hold together with {1 - rate:.1%}"]
    if comparison.graded:
        parts.append(f"{BETTER}: share of seeds and {comparison.unit}")
    return axis, wrapped("; ".join(parts), NOTE_CHARACTERS, 4)


FIGURE = FigureSpec("Differences with their intervals", "differences.png", draw_differences)
