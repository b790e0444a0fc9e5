"""How surely each configuration has which rank, as a heat map with the percentages in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.palette import BLUE, ink
from segbench.pictures.styles import INK, colour, wrapped
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.spec import FigureSpec

SHADES = LinearSegmentedColormap.from_list("shades", ["#FFFFFF", "#9CC9E6", BLUE, "#00324F"])
CELL_INCHES = 0.46
LABEL_CHARACTERS = 26
MOST_WRITTEN = 16
PALE = 3.0


def draw_ranks(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw the probability of each rank over resampled seeds and groups, the best configuration on top.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the ranks.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where fewer than two configurations have ranks.
    """
    known = [index for index in range(len(comparison.rows)) if np.isfinite(evidence.ranks[index]).all()]
    if len(known) < 2:
        done = [len({run.seed for run in row.done}) for row in comparison.rows if row.done]
        if len(done) > 1 and sum(seeds > 1 for seeds in done) < 2:
            raise NothingToDrawError("ranks need two seeds of each configuration: with one, what others would change is"
                                     " unknown")  # fmt: skip
        raise NothingToDrawError("ranks need two configurations with scores on the same images")
    order = sorted(known, key=lambda index: float(evidence.ranks[index] @ np.arange(len(comparison.rows))))
    # Rows without ranks leave the last ranks empty.
    shares = evidence.ranks[order][:, : len(order)]
    labels = [wrapped(comparison.rows[index].label, LABEL_CHARACTERS) for index in order]
    cell = CELL_INCHES if len(order) <= MOST_WRITTEN else 0.2
    heights = max(cell, 0.14 * max(label.count("\n") + 1 for label in labels))
    width = max(cell * len(order) + 0.075 * max(len(line) for label in labels for line in label.split("\n")) + 0.6, 3.4)
    figure = Figure(figsize=(width, heights * len(order) + 1.1), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    # A dark cell would read as a decision, which these shares are not: without one they stay pale.
    most = 1.0 if evidence.verdict.word == "better" else PALE
    axes.pcolormesh(shares, cmap=SHADES, vmin=0, vmax=most, edgecolors="white")
    for (line, column), share in np.ndenumerate(shares):
        if len(order) <= MOST_WRITTEN:
            words = _percent(float(share))
            shade = ink(to_hex(SHADES(float(share) / most)))
            axes.text(column + 0.5, line + 0.5, words, ha="center", va="center", fontsize=8, color=shade)
    places = np.arange(len(order)) + 0.5
    axes.set_yticks(places, labels, fontsize=8)
    axes.set_xticks(places, [str(rank + 1) for rank in range(len(order))], fontsize=8)
    # The configuration's colour of the other figures beside its name; in points, as cells may be of any width.
    beside = axes.get_yaxis_transform() + ScaledTranslation(-6 / 72, 0, figure.dpi_scale_trans)
    style: dict[str, Any] = {"s": 34, "marker": "s", "clip_on": False, "edgecolors": INK, "linewidths": 0.4}
    for place, index in zip(places, order, strict=True):
        axes.scatter(0, place, color=colour(index), transform=beside, **style)
    axes.set_xlim(0, len(order))
    axes.set_ylim(len(order), 0)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", pad=11)
    axes.spines[:].set_color("0.7")
    axes.set_xlabel(f"rank by {comparison.score.title_with_unit} (1 = best)", fontsize=9)
    title = f"% of experiments redrawn from these runs, {comparison.split} split; the verdict: {evidence.verdict.word}"
    # Over the whole figure: the cells alone may be narrower than these words.
    figure.suptitle(wrapped(title, int(width * 14), 2), fontsize=8, color="0.3")
    save(figure, path)


def _percent(share: float) -> str:
    """Return a share in percent, never as the certainty that resampling cannot show; nothing for none."""
    if share in (0, 1):
        return ">99" if share else ""
    return "<1" if share < 0.01 else ">99" if share > 0.99 else f"{100 * share:.0f}"


FIGURE = FigureSpec("Ranks, if these runs were drawn again", "ranks.png", draw_ranks)
