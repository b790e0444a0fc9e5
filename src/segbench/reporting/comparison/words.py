"""Figures as text, the same in tables, pages and pictures."""

from __future__ import annotations

import math

from segbench.reporting.comparison.estimate import Estimate
from segbench.words import duration

NOTHING = "–"
# The same name in tables and figures: in how many (seed, group) pairs a row scores better than another.
BETTER = "P(better)"
# What most readers take a p-value for, and what it is.
P_MEANING = (
    "p is not how likely a verdict is: it says how many of such experiments would show as large a gain if there were"
    " none (0.01: one in a hundred)."
)


def show_estimate(value: Estimate, with_n: bool = True) -> str:
    """Return ``0.9873 ± 0.0012 (n=2)``; with one value there is no spread to print."""
    if not value.n:
        return NOTHING
    spread = "" if value.spread is None else f" ± {value.spread:.4f}"
    return f"{value.mean:.4f}{spread}" + (f" (n={value.n})" if with_n else "")


def show_probability(value: float) -> str:
    """Return ``0.65``, or ``<0.01`` and ``>0.99`` where two digits would claim certainty."""
    return "<0.01" if value < 0.01 else ">0.99" if value > 0.99 else f"{value:.2f}"


def show_better(probability: float, cases: int, seeds: int) -> str:
    """Return the share of (seed, group) pairs in which a row is better, ``65%``; a dash where it is not known.

    All pairs or none are no certainty, and one seed says nothing of others: there the pairs are counted, ``60 of 60``.

    Args:
        probability: The share.
        cases: Number of pairs.
        seeds: Number of seeds among them.
    """
    if not math.isfinite(probability):
        return NOTHING
    if cases and (seeds == 1 or probability in (0, 1)):
        return f"{probability * cases:g} of {cases}"
    return "<1%" if probability < 0.01 else ">99%" if probability > 0.99 else f"{probability:.0%}"


def show_p(p: float) -> str:
    """Return a p-value as papers print it: ``0.032``, ``< 0.001``; a dash where there is none.

    Near 0.05 with the digits that show on which side it is: ``0.0496``.
    """
    if not math.isfinite(p):
        return NOTHING
    if p < 0.001:
        return "< 0.001"
    digits = next((digits for digits in (3, 4) if round(p, digits) != 0.05), 5)
    return f"{p:.{digits}f}"


def show_duration(seconds: float) -> str:
    """Return a time in words; a dash where it is not finite."""
    return duration(seconds) if math.isfinite(seconds) else NOTHING


def show_short(value: float) -> str:
    """Return a number with the digits it needs: ``1,234``, ``12.3``, ``0.0123``."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
