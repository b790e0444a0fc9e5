"""Which class is taken for which, a matrix for each configuration: a score per class does not say what goes wrong."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.palette import ink
from segbench.pictures.styles import colour, wrapped
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.figures.bars import MOST_ROWS
from segbench.reporting.figures.ranks import SHADES
from segbench.reporting.figures.spec import FigureSpec, exclusive, without_evidence

WIDTH = 7.2
ACROSS = 4
MOST_WRITTEN = 8
# The shade of a share: small confusions, which matter, would else look like none.
BEND = 0.5
# Of so few classes the cells have room for tenths of a percent.
FEW = 4
# Of labels: cells with a number each, and the shade of the diagonal.
MOST_COUNTED = 12
CORRECT = "0.93"
IMAGES = "images, mean over seeds; shade: errors, by share of the class; grey: correct"


def draw_confusion(comparison: Comparison, path: Path) -> None:
    """Draw the share of each true class's pixels that was taken for each class, all images and seeds together.

    Of labels the numbers of images are written, the mean over seeds, and the shade is that of errors alone, as nearly
    all images of a good classifier lie on the diagonal.

    Args:
        comparison: The experiment.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no finished run stored its confusion of classes.
    """
    found = _matrices(comparison)
    names = max((comparison.rows[index].done[0].counts[comparison.split].class_names for index in found), key=len)
    labels = [textwrap.shorten(name, 20, placeholder="…") for name in names]
    images = not comparison.graded
    across = min(len(found), ACROSS if len(names) <= 5 else 2)
    side = WIDTH / max(across, 2)
    titles = [wrapped(comparison.rows[index].label, int(side * 11), 4) for index in found]
    figure = Figure(figsize=_size(len(found), across, labels, titles, images), dpi=200, layout="constrained")
    grid = figure.subplots(-(-len(found) // across), across, squeeze=False, sharex=True, sharey=True)
    for axes in grid.ravel()[len(found) :]:
        axes.set_axis_off()
    top = max(float(np.nanmax(_shares(_errors(matrix), matrix))) for matrix in found.values())
    for axes, (index, matrix), title in zip(grid.ravel(), found.items(), titles, strict=False):
        if images:
            _draw_images(axes, matrix, len(comparison.rows[index].done), top)
        else:
            _draw(axes, matrix, written=len(names) <= MOST_WRITTEN, size=8 if side > 2 and len(names) <= 5 else 7)
        axes.set_title(title, fontsize=8.5)
        axes.spines[:].set_color(colour(index))
        axes.spines[:].set_linewidth(2)
    _name_classes(grid, labels)
    what = IMAGES if images else "% of the true class's pixels, all seeds"
    words = f"predicted class ({comparison.split} split; {what})"
    figure.supxlabel(textwrap.fill(words, int(figure.get_figwidth() * 14)), fontsize=9)
    save(figure, path)


def _matrices(comparison: Comparison) -> dict[int, NDArray[np.int64]]:
    """Return the confusion matrix of each row that has one, by the row's index.

    Raises:
        NothingToDrawError: Where there is none, or more than can be shown.
    """
    rows = {index: confusion(comparison, row) for index, row in enumerate(comparison.rows)}
    found = {index: matrix for index, matrix in rows.items() if matrix is not None}
    if len(found) > MOST_ROWS:
        raise NothingToDrawError(f"{len(found)} configurations are more than matrices can show ({MOST_ROWS})")
    if not found:
        done = bool(comparison.done)
        raise NothingToDrawError("the runs stored no confusion of classes" if done else "no run is finished")
    return found


def _size(count: int, across: int, labels: list[str], titles: list[str], images: bool) -> tuple[float, float]:
    """Return width and height of the figure in inches."""
    names = 0.07 * max(map(len, labels))
    below = 0.5 + names * (len(labels) > 2)
    above = 0.1 + 0.15 * max(title.count("\n") + 1 for title in titles)
    # What is left beside the labels is the side of a matrix.
    matrix = (WIDTH - 0.5 - names) / max(across, 2)
    height = (matrix + above + 0.15 * images) * -(-count // across) + below + 0.15 * images
    return WIDTH / max(across, 2) * across + 0.5, height


def _name_classes(grid: Any, labels: list[str]) -> None:
    """Write the classes at the left and the lower edge of the grid."""
    ticks = np.arange(len(labels)) + 0.5
    narrow = len(labels) == 2 or max(map(len, labels)) <= 2
    for axes in grid[:, 0]:
        axes.set_yticks(ticks, labels, fontsize=8)
        axes.set_ylabel("true class", fontsize=8.5)
    for axes in grid[-1]:
        axes.set_xticks(ticks, labels, fontsize=8, rotation=0 if narrow else 90)


def confusion(comparison: Comparison, row: Row) -> NDArray[np.int64] | None:
    """Return the confusion matrix of a row, its runs added up; None where a run lacks it or has other classes."""
    parts = [run.counts[comparison.split] for run in row.done]
    matrices = [part.confusion for part in parts if part.confusion is not None]
    if not parts or len(matrices) < len(parts) or len({part.class_names for part in parts}) > 1:
        return None
    total: NDArray[np.int64] = np.sum(np.stack(matrices), axis=0)
    return total


def _draw(axes: Axes, matrix: NDArray[np.int64], written: bool, size: float) -> None:
    shares = _shares(matrix, matrix)
    _cells(axes, shares**BEND)
    for (line, column), share in np.ndenumerate(shares):
        if written and np.isfinite(share):
            shade = ink(to_hex(SHADES(float(share**BEND))))
            words = show_share(float(share), len(matrix) <= FEW)
            axes.text(column + 0.5, line + 0.5, words, ha="center", va="center", fontsize=size, color=shade)


def _draw_images(axes: Axes, matrix: NDArray[np.int64], runs: int, top: float) -> None:
    """Draw the images of each class taken for another; the most frequent error of all rows has the darkest shade.

    Args:
        axes: Where.
        matrix: Images of all runs.
        runs: Their number.
        top: The largest share of a class that was taken for one other.
    """
    shares = _shares(_errors(matrix), matrix) / (top or 1.0)
    _cells(axes, shares**BEND)
    for index in range(len(matrix)):
        axes.add_patch(Rectangle((index, index), 1, 1, facecolor=CORRECT, linewidth=0))
    for (line, column), count in np.ndenumerate(matrix / runs):
        if count and len(matrix) <= MOST_COUNTED:
            share = 0.0 if line == column else float(shares[line, column] ** BEND)
            words = f"{count:.0f}" if count >= 9.95 or count == int(count) else f"{count:.1f}"
            shade = ink(to_hex(SHADES(share)))
            axes.text(column + 0.5, line + 0.5, words, ha="center", va="center", fontsize=6, color=shade)


def _errors(matrix: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a confusion matrix without its diagonal."""
    return matrix * ~np.eye(len(matrix), dtype=bool)


def _shares(matrix: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each cell's share of its true class; NaN for a class that is not there."""
    total = whole.sum(axis=1, keepdims=True)
    return np.divide(matrix, total, out=np.full(matrix.shape, np.nan), where=total > 0)


def _cells(axes: Axes, shades: NDArray[np.float64]) -> None:
    axes.pcolormesh(shades, cmap=SHADES, vmin=0, vmax=1)
    axes.set_xlim(0, len(shades))
    axes.set_ylim(len(shades), 0)
    axes.set_aspect("equal")
    axes.tick_params(length=0)


def show_share(share: float, with_tenths: bool = False) -> str:
    """Return a share in percent with the digits it needs: ``98``, ``1.4``, ``<0.1``, ``>99.9``; nothing for none.

    Args:
        share: From 0 to 1.
        with_tenths: Whether ``98`` is ``97.7``, where there is room, so that a class's shares nearly add up to 100.
    """
    if share == 0:
        return ""
    # What is neither nothing nor whole must not look so.
    if share < 0.0005 or 0.9995 <= share < 1:
        return "<0.1" if share < 0.5 else ">99.9"
    tenths = with_tenths or share < 0.0995 or share >= 0.9895
    return f"{100 * share:.1f}" if tenths and share < 1 else f"{100 * share:.0f}"


FIGURE = FigureSpec("Confusion of classes", "confusion.png", without_evidence(draw_confusion), needs=exclusive)
