"""A legend below a figure, with room for long labels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure

LINE_INCHES = 0.19
FONT = 9.0
# Average width of a letter, and width of a handle with its gaps, in font sizes.
LETTER, HANDLE = 0.56, 4.0
MOST_COLUMNS = 5


def legend_below(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], width: float, title: str | None = None
) -> float:
    """Add a legend below the axes, in as many columns as fit; labels wider than the figure are wrapped.

    Args:
        figure: A figure with constrained layout.
        handles: The legend's handles.
        labels: One label per handle.
        width: Width of the figure in inches.
        title: Heading above the labels, wrapped too.

    Returns:
        The legend's height in inches.
    """
    room = width * 72 / FONT
    wrapped = [textwrap.fill(label, max(int((room - HANDLE) / LETTER), 10)) for label in labels]
    heading = None if title is None else textwrap.fill(title, max(int(width * 72 / (FONT - 1) / LETTER), 10))
    longest = max(len(line) for label in wrapped for line in label.splitlines())
    columns = max(min(int(room / (LETTER * longest + HANDLE)), len(labels), MOST_COLUMNS), 1)
    figure.legend(
        handles,
        wrapped,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=FONT,
        title=heading,
        title_fontsize=FONT - 1,
    )
    tallest = max(label.count("\n") + 1 for label in wrapped)
    return LINE_INCHES * (-(-len(labels) // columns) * tallest + (0 if heading is None else heading.count("\n") + 1))
