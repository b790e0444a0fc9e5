"""Learning curves of all runs of an experiment: a colour for each configuration, a band over its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.legend import legend_below
from segbench.pictures.styles import colour, dash, plain
from segbench.reporting.collection.factors import show_value
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.figures.spec import FigureSpec, without_evidence
from segbench.reporting.figures.stages import draw_stages, stage_legend

WIDTH_INCHES, HEIGHT_INCHES = 3.6, 2.9
# With more losses than this leaves room for, none is drawn.
MOST_ACROSS, MOST_PANELS = 3, 9
# A loss leaps where it is this many times what nine of ten values of its curve stay below.
LEAP = 6.0
BAND = "lines: mean over seeds; bands: lowest to highest seed; thin lines: seeds that trained longer than others"


def draw_curves(comparison: Comparison, path: Path) -> None:
    """Draw training loss, validation loss and the deciding metric on the validation split over the epochs.

    Rows that were trained by different losses share no axis of a loss.
    A metric that has no curve gives its place to the score that chose the best epoch. Runs that did not finish are
    drawn too, as far as they came. Where the stages of a curriculum begin, the curves have upright marks.

    Args:
        comparison: The experiment.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Without curves; no file is written.
    """
    panels = _panels(comparison)
    if not panels:
        raise NothingToDrawError("no run has curves")
    # Training and validation of one loss side by side.
    across = min(len(panels), MOST_ACROSS if len({panel.key for panel in panels}) == len(panels) else 2)
    down = -(-len(panels) // across)
    width = WIDTH_INCHES * across
    figure = Figure(dpi=150, layout="constrained")
    named: dict[int, Line2D] = {}
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(down, across, number + 1)
        drawn = []
        for index in panel.rows:
            seeds = list(_curves([comparison.rows[index]], panel.key))
            drawn += seeds
            if seeds:
                named.setdefault(index, _draw_row(axes, comparison.rows[index], seeds, index))
        draw_stages(axes, comparison)
        _finish(axes, panel.title, _cut(axes, drawn) if panel.key.endswith("/loss") else "")
    below = 0.0
    marks = stage_legend(comparison)
    if len(named) > 1 or comparison.factors or marks:
        lines = [named[index] for index in sorted(named)] + marks
        several = any("(mean of" in str(line.get_label()) for line in lines)
        below = legend_below(figure, lines, [str(line.get_label()) for line in lines], width, BAND if several else None)
    figure.set_size_inches(width, down * HEIGHT_INCHES + below)
    save(figure, path)


@dataclass(frozen=True)
class _Panel:
    """A column of ``metrics.csv``, its title, and the indices of the rows that share an axis."""

    key: str
    title: str
    rows: tuple[int, ...]


def _panels(comparison: Comparison) -> list[_Panel]:
    """Return what to draw: only what some run has, and a loss for itself, as the values of two compare nothing."""
    losses: dict[str, list[int]] = {}
    for index, row in enumerate(comparison.rows):
        losses.setdefault(_loss(row), []).append(index)
    several = len(losses) > 1
    panels = [
        _Panel(key, f"{title} ({name})" if several else title, tuple(rows))
        for name, rows in losses.items()
        for key, title in (("train/loss", "training loss"), ("val/loss", "validation loss"))
    ]
    # What only the final evaluation measures (SEG, say) has no curve: the score that chose the best epoch stands in.
    measured = any(True for _ in _curves(comparison.rows, f"val/{comparison.metric}"))
    scores = [comparison.metric] if measured else _monitored(comparison)
    everything = tuple(range(len(comparison.rows)))
    panels += [_Panel(f"val/{score}", f"validation {comparison.title_of(score)}", everything) for score in scores]
    if len(panels) > MOST_PANELS:
        panels = [panel for panel in panels if not panel.key.endswith("/loss")]
    return [
        panel
        for panel in panels
        if any(True for _ in _curves([comparison.rows[index] for index in panel.rows], panel.key))
    ]


def _loss(row: Row) -> str:
    """Return what tells a row's loss from others': its choice, and its own settings where they are what is compared."""
    own = [
        part
        for factor, part in zip(row.factors, map(show_value, row.values), strict=True)
        if factor.startswith("loss.")
    ]
    return ", ".join([row.runs[0].choices.get("loss", ""), *own])


def _monitored(comparison: Comparison) -> list[str]:
    """Return the validation scores, other than the loss, by which runs chose their best epoch."""
    trainers = [run.config.get("trainer") for row in comparison.rows for run in row.runs]
    monitors = [str(trainer.get("monitor")) for trainer in trainers if isinstance(trainer, Mapping)]
    found = dict.fromkeys(name.removeprefix("val/") for name in monitors if name.startswith("val/"))
    return [name for name in found if name != "loss"]


def _curves(rows: Sequence[Row], key: str) -> Iterator[pd.Series]:
    """Yield the curves of all runs that have one."""
    curves = (run.curves for row in rows for run in row.runs if run.curves is not None)
    return (line for curve in curves if len(line := series(curve, key)))


def series(curves: pd.DataFrame, key: str) -> pd.Series:
    """Return one curve indexed by epoch, without the epochs that lack a value."""
    if key not in curves:
        return pd.Series(dtype="float64")
    values = curves[key].to_numpy()
    there = ~np.isnan(values)
    return pd.Series(values[there], index=curves["epoch"][there])


def _draw_row(axes: Axes, row: Row, seeds: Sequence[pd.Series], index: int) -> Line2D:
    """Draw the mean of the seeds over the epochs that all of them reached, in a band from the lowest to the highest.

    Where some seeds went on, each of those goes on as a thin line.

    Args:
        axes: Where.
        row: The row, which the line that is returned names.
        seeds: The curves of its runs, at least one.
        index: Its place among the rows, which gives it its colour.
    """
    style: dict[str, Any] = {"color": colour(index), "linestyle": dash(index)}
    if len(seeds) == 1:
        return _plot(axes, seeds[0], linewidth=1.3, label=row.label, **style)
    shared = pd.concat(seeds, axis=1, join="inner")
    for line in seeds:
        # From the last shared epoch, so that the line leaves the band without a gap.
        rest = line[line.index >= shared.index.max()] if len(shared) else line
        if len(rest) > 1 or not len(shared):
            _plot(axes, rest, linewidth=0.6, alpha=0.5, **style)
    axes.fill_between(shared.index, shared.min(axis=1), shared.max(axis=1), color=colour(index), alpha=0.2, linewidth=0)
    label = f"{row.label} (mean of {len(seeds)})"
    return _plot(axes, shared.mean(axis=1), linewidth=1.3, label=label, **style)


def _plot(axes: Axes, line: pd.Series, **style: Any) -> Line2D:
    """Plot a curve; one of few epochs gets markers, since a single point draws no line."""
    return axes.plot(line.index, line.to_numpy(), marker="o" if len(line) <= 10 else None, markersize=3, **style)[0]


def _cut(axes: Axes, lines: Sequence[pd.Series]) -> str:
    """End the axis below what leaps out of its own curve, which would flatten the others.

    Returns:
        Words for the title; empty where nothing is cut.
    """
    curves = [line.to_numpy(np.float64) for line in lines]
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
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    first, last = axes.get_xlim()
    if last - first < 1:  # one epoch
        axes.set_xlim((first + last - 1) / 2, (first + last + 1) / 2)
    plain(axes)


FIGURE = FigureSpec("Learning curves", "curves.png", without_evidence(draw_curves))
