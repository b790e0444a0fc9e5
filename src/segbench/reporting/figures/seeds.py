"""The score of each run, configuration by configuration: of classifiers a single image has none but right or wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.styles import INK, colour, plain, wrapped
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.spec import FigureSpec, right_or_wrong
from segbench.runs.split_scores import derive

WIDTH, ROW_INCHES = 6.4, 0.42
LABEL_CHARACTERS = 24


def draw_seeds(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw each run's score as a dot, the mean over seeds with its interval, and the published figure.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the intervals of the means.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Without a finished run.
    """
    rows = [(index, row) for index, row in enumerate(comparison.rows) if row.done]
    if not rows:
        raise NothingToDrawError("no run is finished")
    figure = Figure(figsize=(WIDTH, ROW_INCHES * len(rows) + 1.15), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    for place, (index, row) in enumerate(rows):
        _draw_row(axes, place, index, row, comparison, evidence)
    axes.set_yticks(range(len(rows)), [wrapped(row.label, LABEL_CHARACTERS) for _, row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(f"{comparison.score.title_with_unit} ({comparison.split} split)", fontsize=9)
    published = "; star: published" if any(row.published for _, row in rows) else ""
    axes.set_title(f"dots: runs, one a seed; diamond: mean with {evidence.ends}{published}", fontsize=8, color="0.3")
    plain(axes, "x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.06)
    save(figure, path)


def _draw_row(axes: Axes, place: int, index: int, row: Row, comparison: Comparison, evidence: Evidence) -> None:
    values = [derive(run.counts[comparison.split], comparison.metric, comparison.convention) for run in row.done]
    mean = evidence.means[index]
    if np.isfinite([mean.mean, mean.low, mean.high]).all():
        axes.plot([mean.low, mean.high], [place - 0.14] * 2, color=colour(index), alpha=0.35, linewidth=6, zorder=2,
                  solid_capstyle="butt")  # fmt: skip
    # Beside one another, so that equal runs do not hide each other.
    spread = (np.arange(len(values)) - (len(values) - 1) / 2) * min(0.07, 0.4 / len(values))
    axes.scatter(values, place + 0.16 + spread, s=16, color=colour(index), edgecolors=INK, linewidths=0.4, zorder=4)
    if len(values) > 1 and np.isfinite(mean.mean):
        axes.plot(mean.mean, place - 0.14, "D", color="white", markeredgecolor=INK, markersize=5, zorder=3)
    if row.published is not None and row.published.metric == comparison.metric:
        axes.plot(row.published.value, place - 0.14, "*", color="white", markeredgecolor=INK, markersize=9, zorder=5)


FIGURE = FigureSpec("Scores of single runs", "seeds.png", draw_seeds, needs=right_or_wrong)
