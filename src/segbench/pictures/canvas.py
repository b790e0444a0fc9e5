"""Saves figures: PNG for slides and previews, SVG for pages, PDF for LaTeX; equal figures give equal bytes."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from segbench.runs.files import atomic_open
from segbench.words import visible

# Text stays text, so that it can be searched, selected and set in the page's font. Element ids are hashes with this
# salt, which is otherwise random.
# In a PDF, TrueType fonts, which journals ask for.
DRAWN: Any = {"svg.fonttype": "none", "svg.hashsalt": "segbench", "pdf.fonttype": 42}
# A figure whose layout engine is taken away gets none of these.
STAYS: Any = {"figure.autolayout": False, "figure.constrained_layout.use": False}
# Each kind with what would differ from one day to the next.
KINDS: dict[str, Any] = {"png": None, "svg": {"Date": None}, "pdf": {"CreationDate": None}}

# It tells of every table of every font that it puts into a PDF.
logging.getLogger("fontTools").setLevel(logging.WARNING)

# A dollar sign in a run's name is not the start of a formula.
WORDS: Any = {"text.parse_math": False}


class NothingToDrawError(ValueError):
    """A figure has nothing to show; the message gives the reason, as the end of a sentence."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG and PDF, each atomically.

    Args:
        figure: The figure.
        path: The PNG; the others go beside it.

    Raises:
        OSError: If the folder cannot be written.
    """
    with mpl.rc_context(DRAWN | STAYS):
        for kind, metadata in KINDS.items():
            drawn = io.BytesIO()
            figure.savefig(drawn, format=kind, metadata=metadata)
            content = drawn.getvalue()
            if kind == "svg":
                content = svg_text(content.decode("utf-8", "surrogatepass")).encode()
            with atomic_open(path.with_suffix(f".{kind}")) as stream:
                stream.write(content)
            # Where the PNG has everything, to a fraction of a pixel: to find it anew takes as long as to draw it.
            figure.set_layout_engine(None)


def svg_text(source: str) -> str:
    """Return an SVG in whose names nothing is hidden; control characters would not even be XML."""
    return visible(source, lines=True)
