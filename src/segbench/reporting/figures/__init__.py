"""The figures of a report, each from a comparison and its evidence, written as PNG, SVG and PDF.

A figure is one file that offers its :class:`segbench.reporting.figures.spec.FigureSpec` as ``FIGURE``: what it is
called, how it is drawn, and what a comparison must have for it. One that lies here is in every report, behind those of
:data:`ORDER` unless it is named there. One of the reader's own is in a report whose command names its module
(:func:`with_own`); nothing that a report reads can add one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from matplotlib import rc_context

from segbench.errors import ConfigError
from segbench.pictures.canvas import KINDS, WORDS, NothingToDrawError
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.spec import FigureSpec
from segbench.targets import find_module
from segbench.words import first_line, plural

__all__ = ["FIGURES", "FigureSpec", "NothingToDrawError", "draw_all", "figures_of", "with_own"]

log = logging.getLogger("segbench")

# The files in the order of the report.
ORDER = (
    "bars",
    "shortfalls",
    "distributions",
    "seeds",
    "differences",
    "ranks",
    "numbers",
    "costs",
    "confusion",
    "examples",
    "contours",
    "objects",
    "mistakes",
    "curves",
    "epochs",
    "weight_map",
    "frequencies",
)


def _found() -> tuple[FigureSpec, ...]:
    here = sorted(module.name for module in iter_modules(__path__))
    files = [*ORDER, *(name for name in here if name not in ORDER)]
    specs = (getattr(import_module(f"{__name__}.{name}"), "FIGURE", None) for name in files)
    return tuple(spec for spec in specs if spec is not None)


FIGURES = _found()


def with_own(modules: Sequence[str]) -> tuple[FigureSpec, ...]:
    """Return :data:`FIGURES` and, behind them, those of modules that the command line names.

    Args:
        modules: Names of modules that offer a ``FIGURE``.

    Raises:
        ConfigError: Where there is no such module, it offers no figure, or one whose file is taken.
    """
    figures = list(FIGURES)
    for name in dict.fromkeys(modules):
        spec = getattr(find_module(f"--figure {name}", name), "FIGURE", None)
        if not isinstance(spec, FigureSpec):
            raise ConfigError(f"--figure {name}: it has no FIGURE, a segbench.reporting.figures.FigureSpec")
        if Path(spec.file).name != spec.file or Path(spec.file).suffix != ".png":
            raise ConfigError(f"--figure {name}: its file {spec.file} must be the plain name of a .png")
        if spec.file in {figure.file for figure in figures}:
            raise ConfigError(f"--figure {name}: there is a figure {spec.file} already; name its file differently")
        figures.append(spec)
    return tuple(figures)


def figures_of(comparison: Comparison, figures: Sequence[FigureSpec] = FIGURES) -> list[FigureSpec]:
    """Return the figures of which a comparison has what they show, in the order of the report."""
    return [figure for figure in figures if figure.needs(comparison)]


def draw_all(
    comparison: Comparison,
    evidence: Evidence,
    folder: Path,
    skipped: list[tuple[str, str]] | None = None,
    figures: Sequence[FigureSpec] = FIGURES,
) -> list[tuple[str, str]]:
    """Write every figure that has something to show, as PNG, SVG and PDF, in place of those of an earlier report.

    A figure that fails is skipped like one without anything to show: it must not cost the tables and the others.

    Args:
        comparison: The experiment.
        evidence: What its runs show.
        folder: Where the files go.
        skipped: Gets title and reason of every figure that is not drawn; the log names those with nothing to show in
            one line, and each that failed.
        figures: Which are tried.

    Returns:
        Title and file name (PNG; the others have the same stem) of each figure drawn, in the order of the report.

    Raises:
        OSError: If the folder cannot be written.
    """
    drawn, nothing = list[tuple[str, str]](), list[str]()
    left_out = [] if skipped is None else skipped
    # Also those of another task, which an earlier report of this folder may have drawn.
    for figure in figures:
        for kind in KINDS:
            (folder / figure.file).with_suffix(f".{kind}").unlink(missing_ok=True)
    for figure in figures_of(comparison, figures):
        path = folder / figure.file
        try:
            with rc_context(WORDS):
                figure.draw(comparison, evidence, path)
            drawn.append((figure.title, figure.file))
        except NothingToDrawError as error:
            left_out.append((figure.title, str(error)))
            nothing.append(figure.title)
            log.debug("%s: not drawn, as %s", figure.title, error)
        except OSError:
            raise
        except Exception as error:
            line = first_line(error)
            left_out.append((figure.title, f"it failed ({type(error).__name__}: {line})"))
            log.warning("%s: not drawn (%s: %s)", figure.title, type(error).__name__, line)
    # A line each would stand between a reader and the verdict.
    if nothing:
        log.info("%s with nothing to show left out: %s", plural(len(nothing), "figure"), "; ".join(nothing))
    return drawn
