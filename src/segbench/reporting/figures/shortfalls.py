"""What is missing to perfect scores of every class, as grouped bars: of good classifiers all bars would end near 1."""

from __future__ import annotations

from pathlib import Path

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.figures.bars import draw_grouped
from segbench.reporting.figures.spec import FigureSpec, without_evidence


def draw_shortfalls(comparison: Comparison, path: Path) -> None:
    """Draw what is missing to 1 in the scores that the task names, for each class and their mean.

    Args:
        comparison: The experiment.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Without a finished run; no file is written.
    """
    draw_grouped(comparison, comparison.task.shortfalls, path, missing=True)


FIGURE = FigureSpec(
    "Errors of each class",
    "mistakes_by_class.png",
    without_evidence(draw_shortfalls),
    needs=lambda comparison: bool(comparison.task.shortfalls),
)
