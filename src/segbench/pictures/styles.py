"""What a configuration and a score look like and are called, the same in all figures."""

from __future__ import annotations

import textwrap

from matplotlib.axes import Axes

from segbench.pictures.palette import COLOURS

HATCHES = ("", "///", "...", "xxx")
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GRID = {"color": "0.9", "linewidth": 0.6}
# Faint on white: its marks get a dark edge.
INK = "0.15"


def colour(index: int) -> str:
    """Return the colour of the row with this index; after the last colour the first comes again."""
    return COLOURS[index % len(COLOURS)]


def hatch(index: int) -> str:
    """Return the hatching that tells rows of one colour apart on areas."""
    return HATCHES[index // len(COLOURS) % len(HATCHES)]


def dash(index: int) -> str:
    """Return the dashes that tell rows of one colour apart on lines."""
    return DASHES[index // len(COLOURS) % len(DASHES)]


def marker(index: int) -> str:
    """Return a marker that goes with the colour, for those who see the figure in grey."""
    return MARKERS[index % len(MARKERS)]


def wrapped(label: str, characters: int, lines: int = 3) -> str:
    """Return a label in at most so many lines; what is too long even for them ends in an ellipsis."""
    return "\n".join(textwrap.wrap(label, characters, max_lines=lines, placeholder=" …")) or label


def plain(axes: Axes, grid: str = "both") -> None:
    """Give axes the look of all figures: no box, a faint grid behind the marks, small figures on the ticks."""
    axes.grid(axis=grid, **GRID)  # type: ignore[arg-type]  # a str, of those it takes
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
