"""Colour-blind-safe colours (Okabe and Ito, "Color Universal Design", 2008)."""

from __future__ import annotations

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, BLACK = "#0072B2", "#D55E00", "#CC79A7", "#000000"

# For lines on white: the dark ones first, yellow last because it is faint there.
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)
# For areas over a picture: neighbouring classes also differ in lightness.
CLASS_COLOURS = (ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE)


def rgb(colour: str) -> tuple[float, float, float]:
    """Return a ``#RRGGBB`` colour as red, green and blue in [0, 1]."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def ink(colour: str) -> str:
    """Return black or white, whichever is easier to read on a ``#RRGGBB`` colour (WCAG 2.1, contrast ratio)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb(colour)]
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    # The two contrasts, (1 + 0.05) / (L + 0.05) and (L + 0.05) / 0.05, are equal at L = 0.179.
    return "black" if luminance > 0.179 else "white"
