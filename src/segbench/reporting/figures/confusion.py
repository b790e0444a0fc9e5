"""Which class is taken for which, a matrix for each configuration: a score per class does not say what goes wrong."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray

from segbench.reporting.figures.bars import MOST_ROWS
from segbench.reporting.figures.canvas import NothingToDrawError, save
from segbench.reporting.figures.ranks import SHADES
from segbench.reporting.figures.styles import colour, wrapped
from segbench.reporting.palette import ink
from segbench.reporting.table import Comparison, Row

WIDTH = 7.2
ACROSS = 4
MOST_WRITTEN = 8
# The shade of a share: small confusions, which matter, would else look like none.
BEND = 0.5


def draw_confusion(comparison: Comparison, path: Path) -> None:
    """Draw the share of each true class's pixels that was taken for each class, all images and seeds together.

    Args:
        comparison: The experiment.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no finished run stored its confusion of classes.
    """
    rows = [(index, row, confusion(comparison, row)) for index, row in enumerate(comparison.rows)]
    found = [(index, row, matrix) for index, row, matrix in rows if matrix is not None]
    if len(found) > MOST_ROWS:
        raise NothingToDrawError(f"{len(found)} configurations are more than matrices can show ({MOST_ROWS})")
    if not found:
        done = bool(comparison.done)
        raise NothingToDrawError(
            "the runs were made before the confusion of classes was stored" if done else "no run is finished"
        )
    names = max((part[1].done[0].counts[comparison.split].class_names for part in found), key=len)
    across = min(len(found), ACROSS if len(names) <= 5 else 2)
    down = -(-len(found) // across)
    side = WIDTH / max(across, 2)
    labels = [textwrap.shorten(name, 20, placeholder="…") for name in names]
    titles = [wrapped(row.label, int(side * 11), 4) for _, row, _ in found]
    below = 0.5 + 0.07 * max(map(len, labels)) * (len(names) > 2)
    above = 0.1 + 0.15 * max(title.count("\n") + 1 for title in titles)
    # What is left beside the labels is the side of a matrix.
    matrix_inches = (WIDTH - 0.5 - 0.07 * max(map(len, labels))) / max(across, 2)
    height = (matrix_inches + above) * down + below
    figure = Figure(figsize=(side * across + 0.5, height), dpi=200, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for axes in grid.ravel()[len(found) :]:
        axes.set_axis_off()
    for axes, (index, _, matrix), title in zip(grid.ravel(), found, titles, strict=False):
        _draw(axes, matrix, written=len(names) <= MOST_WRITTEN, size=8 if side > 2 and len(names) <= 5 else 7)
        axes.set_title(title, fontsize=8.5)
        axes.spines[:].set_color(colour(index))
        axes.spines[:].set_linewidth(2)
    ticks = np.arange(len(names)) + 0.5
    for axes in grid[:, 0]:
        axes.set_yticks(ticks, labels, fontsize=8)
        axes.set_ylabel("true class", fontsize=8.5)
    for axes in grid[-1]:
        axes.set_xticks(ticks, labels, fontsize=8, rotation=90 if len(names) > 2 else 0)
    figure.supxlabel(f"predicted class ({comparison.split} split; % of the true class's pixels, all seeds)", fontsize=9)
    save(figure, path)


def confusion(comparison: Comparison, row: Row) -> NDArray[np.int64] | None:
    """Return the confusion matrix of a row, its runs added up; None where a run lacks it or has other classes."""
    parts = [run.counts[comparison.split] for run in row.done]
    matrices = [part.confusion for part in parts if part.confusion is not None]
    if not parts or len(matrices) < len(parts) or len({part.class_names for part in parts}) > 1:
        return None
    total: NDArray[np.int64] = np.sum(np.stack(matrices), axis=0)
    return total


def _draw(axes: Axes, matrix: NDArray[np.int64], written: bool, size: float) -> None:
    total = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, total, out=np.full(matrix.shape, np.nan), where=total > 0)
    axes.pcolormesh(shares**BEND, cmap=SHADES, vmin=0, vmax=1)
    axes.set_xlim(0, len(matrix))
    axes.set_ylim(len(matrix), 0)
    axes.set_aspect("equal")
    axes.tick_params(length=0)
    for (line, column), share in np.ndenumerate(shares):
        if written and np.isfinite(share):
            shade = ink(to_hex(SHADES(float(share**BEND))))
            words = show_share(float(share))
            axes.text(column + 0.5, line + 0.5, words, ha="center", va="center", fontsize=size, color=shade)


def show_share(share: float) -> str:
    """Return a share in percent with the digits it needs: ``98``, ``1.4``, ``<0.1``, ``>99.9``; nothing for none."""
    if share == 0:
        return ""
    # What is neither nothing nor whole must not look so.
    if share < 0.0005 or 0.9995 <= share < 1:
        return "<0.1" if share < 0.5 else ">99.9"
    return f"{100 * share:.1f}" if share < 0.0995 or 0.9895 <= share < 1 else f"{100 * share:.0f}"
