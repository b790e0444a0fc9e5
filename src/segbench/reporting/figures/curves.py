"""Learning curves of all runs of an experiment: a colour for each configuration, a thin line for each seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from segbench.reporting.figures.legend import legend_below
from segbench.reporting.palette import COLOURS
from segbench.reporting.table import Comparison, Row
from segbench.runs.files import atomic_open

DASHES = ("-", "--", ":", "-.")
WIDTH_INCHES, HEIGHT_INCHES = 3.6, 2.9
WRITTEN = {"dice": "Dice", "iou": "IoU"}
# A loss leaps where it is this many times what nine of ten values of its curve stay below.
LEAP = 6.0


def draw_curves(comparison: Comparison, path: Path) -> bool:
    """Draw training loss, validation loss and the deciding metric on the validation split over the epochs.

    Runs that did not finish are drawn too, as far as they came.

    Args:
        comparison: The experiment.
        path: The PNG to write.

    Returns:
        Whether there was anything to draw; without curves no file is written.
    """
    panels = _panels(comparison)
    if not panels:
        return False
    width = WIDTH_INCHES * len(panels)
    figure = Figure(dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    named: dict[int, Line2D] = {}
    for column, (key, title) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), column + 1)
        for index, row in enumerate(comparison.rows):
            line = _draw_row(axes, row, key, index)
            if line is not None:
                named.setdefault(index, line)
        _finish(axes, title, _cut(axes) if key.endswith("/loss") else "")
    below = 0.0
    if len(named) > 1 or comparison.factors:
        lines = [named[index] for index in sorted(named)]
        below = legend_below(figure, lines, [str(line.get_label()) for line in lines], width)
    figure.set_size_inches(width, HEIGHT_INCHES + below)
    with atomic_open(path) as stream:
        canvas.print_png(stream)
    return True


def _panels(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the metrics.csv columns to draw, with titles: only those that some run has."""
    wanted = [("train/loss", "training loss"), ("val/loss", "validation loss")]
    name, _, label = comparison.metric.partition("_")
    written = f"{WRITTEN[name]} {label}".strip() if name in WRITTEN else comparison.metric.replace("_", " ")
    wanted.append((f"val/{comparison.metric}", f"validation {written}"))
    curves = [run.curves for row in comparison.rows for run in row.runs if run.curves is not None]
    return [(key, title) for key, title in wanted if any(len(series(curve, key)) for curve in curves)]


def series(curves: pd.DataFrame, key: str) -> pd.Series:
    """Return one curve indexed by epoch, without the epochs that lack a value."""
    if key not in curves:
        return pd.Series(dtype="float64")
    return pd.Series(curves[key].to_numpy(), index=curves["epoch"]).dropna()


def _draw_row(axes: Axes, row: Row, key: str, index: int) -> Line2D | None:
    """Draw each seed thin and, with two or more, their mean thick over the epochs that all of them reached.

    Returns:
        The line that names the row; None where no run has the curve.
    """
    colour, dash = COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]
    seeds = [line for run in row.runs if run.curves is not None and len(line := series(run.curves, key))]
    if not seeds:
        return None
    if len(seeds) == 1:
        return _plot(axes, seeds[0], color=colour, linestyle=dash, linewidth=1.6, label=row.label)
    for line in seeds:
        _plot(axes, line, color=colour, linestyle=dash, linewidth=0.6, alpha=0.5)
    mean = pd.concat(seeds, axis=1, join="inner").mean(axis=1)
    return _plot(axes, mean, color=colour, linestyle=dash, linewidth=1.8, label=f"{row.label} (mean of {len(seeds)})")


def _plot(axes: Axes, line: pd.Series, **style: Any) -> Line2D:
    """Plot a curve; one of few epochs gets markers, since a single point draws no line."""
    return axes.plot(line.index, line.to_numpy(), marker="o" if len(line) <= 10 else None, markersize=3, **style)[0]


def _cut(axes: Axes) -> str:
    """End the axis below what leaps out of its own curve, which would flatten the others.

    Returns:
        Words for the title; empty where nothing is cut.
    """
    curves = [np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.get_lines()]
    curves = [finite for curve in curves if (finite := curve[np.isfinite(curve)]).size]
    if not curves:
        return ""
    kept = [curve[curve <= LEAP * abs(np.quantile(curve, 0.9))] for curve in curves]
    whole, inside = np.concatenate(curves), np.concatenate(kept)
    if not inside.size or inside.max() == whole.max():
        return ""
    margin = 0.05 * float(np.ptp(inside))
    axes.set_ylim(inside.min() - margin, inside.max() + margin)
    return f" (cut; highest {whole.max():.3g})"


def _finish(axes: Axes, title: str, cut: str) -> None:
    axes.set_title(title + cut, fontsize=10)
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="0.9", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
