"""Figures to files: PNG for slides and previews, SVG for papers and pages, the same bytes for the same figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from segbench.runs.files import atomic_open

# Text stays text, so that it can be searched, selected and set in the page's font. Ids are hashes with this salt,
# which else is drawn at random.
SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "segbench"}

# A dollar in the name of a run is a dollar, not the begin of a formula.
WORDS: Any = {"text.parse_math": False}


class NothingToDrawError(ValueError):
    """A figure has nothing to show; the message says why, as the end of a sentence."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and as SVG, each whole or not at all.

    Args:
        figure: The figure.
        path: The PNG; the SVG lies beside it.

    Raises:
        OSError: If the folder cannot be written.
    """
    with mpl.rc_context(SVG):
        for kind, metadata in (("png", None), ("svg", {"Date": None})):
            with atomic_open(path.with_suffix(f".{kind}")) as stream:
                figure.savefig(stream, format=kind, metadata=metadata)
