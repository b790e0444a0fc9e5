"""The weight map that runs drew when they were trained."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from segbench.pictures.canvas import NothingToDrawError
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.figures.spec import FigureSpec, masks, without_evidence
from segbench.runs.bounded import read_bytes
from segbench.runs.files import atomic_open

WEIGHTS = Path("figures") / "weights.png"


def copy_weight_map(comparison: Comparison, path: Path) -> None:
    """Copy the weight map of the first run that has one: runs of one loss have the same.

    Args:
        comparison: The experiment.
        path: The PNG to write.

    Raises:
        NothingToDrawError: Where no finished run has one.
    """
    for run in comparison.trained:
        with suppress(OSError, ValueError):
            content = read_bytes(run.directory / WEIGHTS, run.directory)
            break
    else:
        raise NothingToDrawError("no finished run weighed the pixels between objects")
    with atomic_open(path) as stream:
        stream.write(content)


FIGURE = FigureSpec("Pixel weights", "weights.png", without_evidence(copy_weight_map), shows_data=True, needs=masks)
