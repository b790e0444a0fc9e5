"""The figures of a report, each from a comparison and its evidence, written as PNG and SVG."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context

from segbench.pictures.canvas import WORDS, NothingToDrawError
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.bars import draw_bars
from segbench.reporting.figures.confusion import draw_confusion
from segbench.reporting.figures.contours import draw_contours
from segbench.reporting.figures.costs import draw_costs
from segbench.reporting.figures.curves import draw_curves
from segbench.reporting.figures.differences import draw_differences
from segbench.reporting.figures.distributions import draw_distributions
from segbench.reporting.figures.epochs import draw_epochs
from segbench.reporting.figures.examples import draw_examples
from segbench.reporting.figures.frequencies import draw_frequencies
from segbench.reporting.figures.mistakes import draw_best_mistakes
from segbench.reporting.figures.objects import draw_objects
from segbench.reporting.figures.ranks import draw_ranks
from segbench.reporting.figures.seeds import draw_seeds
from segbench.reporting.figures.weight_map import copy_weight_map
from segbench.words import first_line

__all__ = ["FIGURES", "FigureSpec", "NothingToDrawError", "draw_all", "figures_of"]

log = logging.getLogger("segbench")


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the report.

    Attributes:
        title: What it shows, as a heading.
        file: Name of its PNG; the SVG is named alike.
        draw: Writes both, or raises :class:`NothingToDrawError`.
        shows_data: Whether it holds images of the data set, which may not be passed on with every data set.
        task: The only task that it is of; empty for any.
    """

    title: str
    file: str
    draw: Callable[[Comparison, Evidence, Path], None]
    shows_data: bool = False
    task: str = ""


def _plain(draw: Callable[[Comparison, Path], None]) -> Callable[[Comparison, Evidence, Path], None]:
    """Return a figure that needs no evidence as one that gets it."""
    return lambda comparison, _, path: draw(comparison, path)


_PIXELS, _LABELS = "segmentation", "classification"
# In the order of the report.
FIGURES: tuple[FigureSpec, ...] = (
    FigureSpec("Dice and IoU of each class", "classes.png", _plain(draw_bars), task=_PIXELS),
    FigureSpec("Mistakes of each class", "mistakes_by_class.png", _plain(draw_bars), task=_LABELS),
    FigureSpec("Scores of single images", "distributions.png", draw_distributions, task=_PIXELS),
    FigureSpec("Scores of single runs", "seeds.png", draw_seeds, task=_LABELS),
    FigureSpec("Differences with their intervals", "differences.png", draw_differences),
    FigureSpec("Probability of each rank", "ranks.png", draw_ranks),
    FigureSpec("Score against cost", "costs.png", draw_costs),
    FigureSpec("Confusion of classes", "confusion.png", _plain(draw_confusion)),
    FigureSpec("Predictions", "panels.png", _plain(draw_examples), shows_data=True, task=_PIXELS),
    FigureSpec("Contours of the best", "contours.png", draw_contours, shows_data=True, task=_PIXELS),
    FigureSpec("Objects found and missed", "objects.png", draw_objects, shows_data=True, task=_PIXELS),
    FigureSpec("Most confident mistakes", "mistakes.png", _plain(draw_best_mistakes), shows_data=True, task=_LABELS),
    FigureSpec("Learning curves", "curves.png", _plain(draw_curves)),
    FigureSpec("Predictions after epochs", "epochs.png", draw_epochs, shows_data=True, task=_PIXELS),
    FigureSpec("Weights of pixels", "weights.png", _plain(copy_weight_map), shows_data=True, task=_PIXELS),
    FigureSpec("Class frequencies", "frequencies.png", _plain(draw_frequencies)),
)


def figures_of(comparison: Comparison) -> list[FigureSpec]:
    """Return the figures of a comparison's task, in the order of the report."""
    return [figure for figure in FIGURES if figure.task in ("", comparison.task)]


def draw_all(
    comparison: Comparison, evidence: Evidence, folder: Path, skipped: list[tuple[str, str]] | None = None
) -> list[tuple[str, str]]:
    """Write every figure that has something to show, as PNG and SVG, in place of those of an earlier report.

    A figure that fails is skipped like one without anything to show: it must not cost the tables and the others.

    Args:
        comparison: The experiment.
        evidence: What its runs show.
        folder: Where the files go.
        skipped: Gets title and reason of every figure that is not drawn; the log gets them anyway.

    Returns:
        Title and file name (PNG; the SVG has the same stem) of each figure drawn, in the order of the report.

    Raises:
        OSError: If the folder cannot be written.
    """
    drawn, left_out = [], [] if skipped is None else skipped
    # Also those of the other task, which an earlier report of this folder may have drawn.
    for figure in FIGURES:
        for kind in (".png", ".svg"):
            (folder / figure.file).with_suffix(kind).unlink(missing_ok=True)
    for figure in figures_of(comparison):
        path = folder / figure.file
        try:
            with rc_context(WORDS):
                figure.draw(comparison, evidence, path)
            drawn.append((figure.title, figure.file))
        except NothingToDrawError as error:
            left_out.append((figure.title, str(error)))
            log.info("%s: not drawn, as %s", figure.title, error)
        except OSError:
            raise
        except Exception as error:
            line = first_line(error)
            left_out.append((figure.title, f"it failed ({type(error).__name__}: {line})"))
            log.warning("%s: not drawn (%s: %s)", figure.title, type(error).__name__, line)
    return drawn
