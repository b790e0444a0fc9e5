"""Colours, markers and names of configurations and scores, the same in all figures."""

from __future__ import annotations

import re
import textwrap

from matplotlib.axes import Axes

from segbench.pictures.palette import COLOURS

HATCHES = ("", "///", "...", "xxx")
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GRID = {"color": "0.9", "linewidth": 0.6}
# Dark edge of marks whose colour is faint on white.
INK = "0.15"


def colour(index: int) -> str:
    """Return the colour of the row with this index, cycling through the palette."""
    return COLOURS[index % len(COLOURS)]


def hatch(index: int) -> str:
    """Return the hatching that distinguishes rows of the same colour, for areas."""
    return HATCHES[index // len(COLOURS) % len(HATCHES)]


def dash(index: int) -> str:
    """Return the dash pattern that distinguishes rows of the same colour, for lines."""
    return DASHES[index // len(COLOURS) % len(DASHES)]


def marker(index: int) -> str:
    """Return a marker that goes with the colour, for figures seen in greyscale."""
    return MARKERS[index % len(MARKERS)]


_DIVISIONS = re.compile(r"(?<=[/_=])(?=\w)")


def wrapped(label: str, characters: int, lines: int = 3) -> str:
    """Return a label wrapped to a number of lines; one that is longer ends in an ellipsis.

    A word that is too long for a line is divided behind a slash, an underscore or an equals sign, where it has one.
    """
    # To textwrap a vertical tab is space.
    divided = re.sub(rf"\S{{{characters + 1},}}", lambda word: _DIVISIONS.sub("\v", word[0]), label)
    found = textwrap.wrap(divided, characters, max_lines=lines, placeholder=" …", replace_whitespace=False)
    return "\n".join(found).replace("\v", "") or label


def plain(axes: Axes, grid: str = "both") -> None:
    """Give axes the common style: no box, a faint grid behind the marks, small tick labels."""
    axes.grid(axis=grid, **GRID)  # type: ignore[arg-type]  # a str, of those it takes
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
