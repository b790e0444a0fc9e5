"""Average ranks over data sets, and which networks the ranks cannot tell apart: a critical-difference diagram.

After J. Demsar (J. Mach. Learn. Res. 7 (2006) 1-30, figure 1), set upright: names stay at their ranks however long they
are, and a phone shows them. What a bar joins is not told apart by the pairwise test, rather than by one critical
difference, which depends on the other networks too (A. Benavoli, G. Corani and F. Mangili, J. Mach. Learn. Res. 17 (5)
(2016)).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from segbench.pictures.canvas import save
from segbench.pictures.palette import BLUE
from segbench.pictures.styles import INK, plain, wrapped
from segbench.reporting.statistics.compact_letter_display import compact_letter_display
from segbench.scores.arithmetic import Floats

WIDTH = 4.6
LABEL_CHARACTERS = 18
BAR = 0.035


def draw_critical_difference(
    labels: Sequence[str], ranks: Floats, apart: Collection[tuple[int, int]], title: str, path: Path
) -> None:
    """Draw the diagram.

    Args:
        labels: Of the K networks.
        ranks: float64 (D,K): the rank of each in each of D data sets, 1 the best.
        apart: Pairs of indices that are told apart.
        title: What was tested, for above.
        path: The PNG to write; the SVG lies beside it.
    """
    average = ranks.mean(axis=0)
    order = np.argsort(average, kind="stable").tolist()
    letters = compact_letter_display(order, list(apart))
    groups = sorted({letter for text in letters.values() for letter in text})
    bars = [members for letter in groups if len(members := [i for i in order if letter in letters[i]]) > 1]
    words = [wrapped(labels[index], LABEL_CHARACTERS) for index in order]
    heights = np.array([0.24 + 0.16 * (text.count("\n") + 1) for text in words])
    places = dict(zip(order, np.cumsum(heights) - heights / 2, strict=True))
    figure = Figure(figsize=(WIDTH, float(heights.sum()) + 1.0), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    for index in order:
        values, counts = np.unique(ranks[:, index], return_counts=True)
        axes.scatter(values, [places[index]] * len(values), 14 + 10 * counts, "none", edgecolors="0.45", linewidths=0.8)
        axes.scatter(average[index], places[index], 58, BLUE, marker="D", edgecolors="white", linewidths=0.8, zorder=3)
        axes.annotate(f"{average[index]:.2f}", (average[index], places[index]), (0, 7), textcoords="offset points",
                      ha="center", fontsize=9, fontweight="bold", color=INK)  # fmt: skip
    for number, members in enumerate(bars):
        at = 1.03 + BAR * number
        style: Any = {
            "transform": axes.get_yaxis_transform(),
            "color": INK,
            "clip_on": False,
            "solid_capstyle": "round",
        }
        ends = [places[members[0]], places[members[-1]]]
        axes.plot([at, at], ends, linewidth=2.4, **style)
        axes.plot([at] * len(members), [places[i] for i in members], "o", markersize=5.5, **style)
    axes.set_yticks(list(places.values()), words, fontsize=9.5)
    axes.set_ylim(float(heights.sum()), 0)
    axes.set_xlim(0.75, len(labels) + 0.25)
    axes.set_xticks(np.arange(1, len(labels) + 1)[:: max(1, len(labels) // 8)])
    plain(axes, "x")
    axes.tick_params(axis="both", labelsize=9.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("average rank (1 = best)", fontsize=9.5)
    axes.set_title(wrapped(title, 46), fontsize=9, color="0.3")
    save(figure, path)
