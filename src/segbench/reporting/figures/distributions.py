"""The scores of single images, configuration by configuration: a mean can hide that a few images go wrong."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.styles import INK, colour, plain, wrapped
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.images import Floats, ImageScores, row_values
from segbench.reporting.figures.spec import FigureSpec, graded

WIDTH, ROW_INCHES = 5.2, 0.52
# More images than these are too many to follow (connected), or to see one by one (points).
MOST_CONNECTED, MOST_POINTS = 40, 500
WORST_SHOWN = 10
LABEL_CHARACTERS = 20


def draw_distributions(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw each image's score, the mean over seeds, as a point, with a density above and median and mean.

    Up to :data:`MOST_CONNECTED` images are connected from one configuration to the next, so that it can be seen whether
    all images gain or a few gain much. Of more than :data:`MOST_POINTS` only the worst are points.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the intervals of the means.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Without a finished run that scores an image.
    """
    rows = [(index, row) for index, row in enumerate(comparison.rows) if row.done]
    scores = [row_values(comparison, row) for _, row in rows]
    if not any(np.isfinite(part.values).any() for part in scores):
        raise NothingToDrawError("no finished run scores an image" if rows else "no run is finished")
    figure = Figure(figsize=(WIDTH, ROW_INCHES * len(rows) + 1.0), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    connected = _connected(scores)
    if connected:
        _connect(axes, scores)
    for place, ((index, _), part) in enumerate(zip(rows, scores, strict=True)):
        _draw_row(axes, place, index, part.values[np.isfinite(part.values)], connected, comparison.direction)
        mean = evidence.means[index]
        if np.isfinite(mean.mean):
            ends = (
                [[mean.mean - mean.low], [mean.high - mean.mean]] if np.isfinite([mean.low, mean.high]).all() else None
            )
            axes.errorbar(mean.mean, place - 0.24, xerr=ends, color=INK, elinewidth=1.1, capsize=2.5, zorder=6)
            axes.plot(mean.mean, place - 0.24, "D", color="white", markeredgecolor=INK, markersize=4, zorder=7)
    axes.set_yticks(range(len(rows)), [wrapped(row.label, LABEL_CHARACTERS) for _, row in rows])
    axes.set_ylim(len(rows) - 0.6, -0.75)
    axes.set_xlabel(_words(comparison, scores), fontsize=9)
    axes.set_title(_key(connected, max(len(part.ids) for part in scores), evidence.ends), fontsize=8, color="0.3")
    plain(axes, "x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    save(figure, path)


def _connected(scores: list[ImageScores]) -> bool:
    """Say whether the rows have the same images, few enough to follow."""
    same = len({part.ids for part in scores}) == 1
    return same and len(scores) > 1 and len(scores[0].ids) <= MOST_CONNECTED


def _connect(axes: Axes, scores: list[ImageScores]) -> None:
    for place, (above, below) in enumerate(pairwise(scores)):
        ends = np.stack([above.values, below.values])
        ends = ends[:, np.isfinite(ends).all(axis=0)]
        axes.plot(ends, [[place + 0.12], [place + 1.12]] * np.ones(ends.shape), color="0.75", linewidth=0.5, zorder=1)


def _draw_row(axes: Axes, place: int, index: int, values: Floats, connected: bool, direction: int) -> None:
    """Draw one configuration: density above its line, points on or below it, the median as a stroke."""
    if not values.size:
        return
    paint = colour(index)
    density = _density(values)
    if density is not None:
        where, height = density
        axes.fill_between(
            where, place - 0.02, place - 0.02 - 0.5 * height, color=paint, alpha=0.45, linewidth=0, zorder=2
        )
    median = float(np.median(values))
    axes.plot([median, median], [place - 0.5, place - 0.02], color=INK, linewidth=1.2, zorder=5)
    worst_first = np.sort(direction * values) * direction
    shown = worst_first if values.size <= MOST_POINTS else worst_first[:WORST_SHOWN]
    # Spread by the golden ratio: even, and the same each time.
    spread = np.zeros(shown.size) if connected else (np.arange(shown.size) * 0.618034 % 1 - 0.5) * 0.2
    size = 9 if values.size <= 100 else 4
    axes.scatter(
        shown, place + 0.12 + spread, s=size, color=paint, alpha=0.85, edgecolors=INK, linewidths=0.25, zorder=4
    )


def _density(values: Floats) -> tuple[Floats, Floats] | None:
    """Return places and heights (at most 1) of a density that ends with the data; None for fewer than 5 values."""
    if len(values) < 5 or np.ptp(values) < 1e-9:
        return None
    where = np.linspace(values.min(), values.max(), 200)
    height = gaussian_kde(values)(where)
    return where, height / height.max()


def _words(comparison: Comparison, scores: list[ImageScores]) -> str:
    numbers = sorted({len(part.ids) for part in scores})
    several = any(len(row.done) > 1 for row in comparison.rows)
    count = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    mean = ", each the mean over seeds" if several else ""
    return f"{comparison.score.title_with_unit} of single images\n({comparison.split} split, {count} images{mean})"


def _key(connected: bool, images: int, ends: str) -> str:
    points = "points: images" if images <= MOST_POINTS else f"points: the {WORST_SHOWN} worst images"
    lines = ", lines connect the same" if connected else ""
    return f"{points}{lines}\nstroke: median; diamond: mean with {ends}"


FIGURE = FigureSpec("Scores of single images", "distributions.png", draw_distributions, needs=graded)
