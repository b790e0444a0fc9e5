"""What a figure says of itself, so that a report can draw it without knowing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence


def anything(comparison: Comparison) -> bool:
    """Need nothing in particular."""
    return True


def masks(comparison: Comparison) -> bool:
    """Need predictions that are masks."""
    return comparison.task.masks is not None


def exclusive(comparison: Comparison) -> bool:
    """Need classes of which each pixel or image has one, so that one can be taken for another."""
    return comparison.task.exclusive


def graded(comparison: Comparison) -> bool:
    """Need images that can be more or less right."""
    return comparison.graded


def right_or_wrong(comparison: Comparison) -> bool:
    """Need images that are right or wrong as a whole."""
    return not comparison.graded


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the report.

    Attributes:
        title: What it shows, as a heading.
        file: Name of its PNG; the SVG is named alike.
        draw: Writes both, or raises :class:`segbench.pictures.canvas.NothingToDrawError`.
        shows_data: Whether it holds images of the data set, which may not be passed on with every data set.
        needs: Whether a comparison has what it shows; else it is not tried.
    """

    title: str
    file: str
    draw: Callable[[Comparison, Evidence, Path], None]
    shows_data: bool = False
    needs: Callable[[Comparison], bool] = anything


def without_evidence(draw: Callable[[Comparison, Path], None]) -> Callable[[Comparison, Evidence, Path], None]:
    """Return a figure that needs no evidence as one that gets it."""
    return lambda comparison, _, path: draw(comparison, path)
