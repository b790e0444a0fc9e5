"""Gains over data sets as a forest plot: each data set's, and the mean with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from segbench.pictures.canvas import save
from segbench.pictures.palette import BLUE
from segbench.pictures.styles import INK, plain, wrapped

WIDTH = 4.6
LABEL_CHARACTERS = 18


@dataclass(frozen=True)
class GainLine:
    """One pair: in words, the gains of the data sets, their mean, the ends of its interval (NaN for none)."""

    label: str
    gains: tuple[float, ...]
    mean: float
    low: float
    high: float


def draw_gains(lines: Sequence[GainLine], axis: str, margin: float, path: Path) -> None:
    """Draw the gains, one line a pair.

    Args:
        lines: The pairs, the first on top.
        axis: What is drawn, with its unit.
        margin: Gains within it are alike; NaN for none.
        path: The PNG to write; the SVG lies beside it.
    """
    words = [wrapped(line.label, LABEL_CHARACTERS, 4) for line in lines]
    heights = np.array([0.2 + 0.16 * (text.count("\n") + 1) for text in words])
    places = np.cumsum(heights) - heights / 2
    figure = Figure(figsize=(WIDTH, float(heights.sum()) + 1.35), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    marks: list[Artist] = [
        Line2D([], [], color="0.2", marker="o", markerfacecolor="none", linestyle="", label="a data set"),
        Line2D([], [], color=BLUE, marker="D", linewidth=2.2, label="mean, interval"),
    ]
    if isfinite(margin):
        axes.axvspan(-margin, margin, color="0.92", zorder=0)
        marks.append(Patch(color="0.88", label=f"alike: within {margin:g}"))
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    for place, line in zip(places, lines, strict=True):
        if isfinite(line.low):
            axes.plot([line.low, line.high], [place, place], color=BLUE, linewidth=2.2, zorder=2)
        axes.plot(line.mean, place, "D", color=BLUE, markeredgecolor="white", markersize=8, zorder=3)
        # In front, as a data set may lie at the mean.
        rings: Any = {"color": "0.2", "markerfacecolor": "none", "markersize": 6.5, "markeredgewidth": 0.9, "zorder": 4}
        axes.plot(line.gains, [place] * len(line.gains), "o", **rings)
    axes.set_yticks(places, words)
    axes.set_ylim(float(heights.sum()), 0)
    axes.locator_params(axis="x", nbins=5)
    plain(axes, "x")
    axes.tick_params(axis="both", labelsize=9.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(wrapped(axis, 46), fontsize=9.5)
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), fontsize=8.5, frameon=False,
                  handletextpad=0.4, columnspacing=1.0)  # fmt: skip
    save(figure, path)
