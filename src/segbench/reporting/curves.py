"""Learning curves of all runs of an experiment: a colour for each configuration, a thin line for each seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from segbench.reporting.palette import COLOURS
from segbench.reporting.table import Comparison, Row
from segbench.runs.files import atomic_open

DASHES = ("-", "--", ":", "-.")


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
    figure = Figure(figsize=(4.2 * len(panels), 3.5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for column, (key, title) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), column + 1)
        for index, row in enumerate(comparison.rows):
            _draw_row(axes, row, key, index)
        _finish(axes, title)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if len(labels) > 1 or comparison.factors:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)
    with atomic_open(path) as stream:
        canvas.print_png(stream)
    return True


def _panels(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the metrics.csv columns to draw, with titles: only those that some run has."""
    wanted = [("train/loss", "training loss"), ("val/loss", "validation loss")]
    wanted.append((f"val/{comparison.metric}", f"validation {comparison.metric.replace('_', ' ')}"))
    curves = [run.curves for row in comparison.rows for run in row.runs if run.curves is not None]
    return [(key, title) for key, title in wanted if any(len(series(curve, key)) for curve in curves)]


def series(curves: pd.DataFrame, key: str) -> pd.Series:
    """Return one curve indexed by epoch, without the epochs that lack a value."""
    if key not in curves:
        return pd.Series(dtype="float64")
    return pd.Series(curves[key].to_numpy(), index=curves["epoch"]).dropna()


def _draw_row(axes: Axes, row: Row, key: str, index: int) -> None:
    """Draw each seed thin and, with two or more, their mean thick over the epochs that all of them reached."""
    colour, dash = COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]
    seeds = [line for run in row.runs if run.curves is not None and len(line := series(run.curves, key))]
    if not seeds:
        return
    if len(seeds) == 1:
        _plot(axes, seeds[0], color=colour, linestyle=dash, linewidth=1.8, label=row.label)
        return
    for line in seeds:
        _plot(axes, line, color=colour, linestyle=dash, linewidth=0.7, alpha=0.55)
    mean = pd.concat(seeds, axis=1, join="inner").mean(axis=1)
    _plot(axes, mean, color=colour, linestyle=dash, linewidth=2.0, label=f"{row.label} (mean of {len(seeds)})")


def _plot(axes: Axes, line: pd.Series, **style: Any) -> None:
    """Plot a curve; one of few epochs gets markers, since a single point draws no line."""
    axes.plot(line.index, line.to_numpy(), marker="o" if len(line) <= 10 else None, markersize=3, **style)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="0.9", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
