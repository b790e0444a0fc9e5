"""Saves figures: PNG for slides and previews, SVG for papers and pages; equal figures give equal bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from segbench.runs.files import atomic_open
from segbench.words import visible

# Text stays text, so that it can be searched, selected and set in the page's font. Element ids are hashes with this
# salt, which is otherwise random.
SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "segbench"}

# A dollar sign in a run's name is not the start of a formula.
WORDS: Any = {"text.parse_math": False}


class NothingToDrawError(ValueError):
    """A figure has nothing to show; the message gives the reason, as the end of a sentence."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and as SVG, each atomically.

    Args:
        figure: The figure.
        path: The PNG; the SVG goes beside it.

    Raises:
        OSError: If the folder cannot be written.
    """
    with mpl.rc_context(SVG):
        for kind, metadata in (("png", None), ("svg", {"Date": None})):
            drawn = io.BytesIO()
            figure.savefig(drawn, format=kind, metadata=metadata)
            content = drawn.getvalue()
            if kind == "svg":
                content = svg_text(content.decode("utf-8", "surrogatepass")).encode()
            with atomic_open(path.with_suffix(f".{kind}")) as stream:
                stream.write(content)


def svg_text(source: str) -> str:
    """Return an SVG in whose names nothing is hidden; control characters would not even be XML."""
    return visible(source, lines=True)
