"""Colours that people with any colour vision tell apart (Okabe and Ito, "Color Universal Design", 2008)."""

from __future__ import annotations

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, BLACK = "#0072B2", "#D55E00", "#CC79A7", "#000000"

# For lines on white: the dark ones first, yellow last because it is faint there.
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)
# For areas over a picture: neighbouring classes far apart in lightness too.
CLASS_COLOURS = (ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE)


def rgb(colour: str) -> tuple[float, float, float]:
    """Return a ``#RRGGBB`` colour as red, green, blue in [0, 1]."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue
