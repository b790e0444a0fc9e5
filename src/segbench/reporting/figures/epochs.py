"""How the predictions of the same validation images change in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.epochs import epochs_figure
from segbench.pictures.styles import wrapped
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.curves import series
from segbench.reporting.figures.spec import FigureSpec, masks
from segbench.runs.kept_epochs import open_epochs

SIZE = 8.0


def draw_epochs(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw validation images, their truth, and what the best configuration made of them after several epochs.

    Of the configurations that kept them (``callbacks.panels.at_epochs``) the one with the best mean, its first seed.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the means.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no finished run kept them.
    """
    means = [comparison.direction * mean.mean for mean in evidence.means]
    order = sorted(range(len(means)), key=lambda index: -np.nan_to_num(means[index], nan=-np.inf))
    rows = (comparison.rows[index] for index in order)
    runs = ((row, run) for row in rows for joined in row.done for run in joined.each)
    opened = ((row, run, open_epochs(run.directory)) for row, run in runs)
    row, run, kept = next((found for found in opened if found[2] and found[2].epochs), (None, None, None))
    if row is None or run is None or kept is None:
        raise NothingToDrawError("no finished run kept predictions after epochs (callbacks.panels.at_epochs)")
    seed = "" if run.seed is None else f", seed {run.seed}"
    words = f"{row.label}{seed}: the same validation images, a cut-out of each where objects are small"
    scores = _scores(run, comparison.metric)
    if scores:
        words += f"; below the epoch the validation {comparison.score.title} after it, of all validation images"
    figure = epochs_figure(kept, run.mask_key, scores, run.best_epoch)
    figure.suptitle(wrapped(words, 100, 3), fontsize=SIZE, color="0.3")
    save(figure, path)


def _scores(run: Run, metric: str) -> dict[int, float]:
    """Return the validation score after each epoch, from the run's curves."""
    if run.curves is None:
        return {}
    found = series(run.curves, f"val/{metric}")
    return dict(zip(found.index.astype(int).tolist(), found.to_numpy(float).tolist(), strict=True))


FIGURE = FigureSpec("Predictions after epochs", "epochs.png", draw_epochs, shows_data=True, needs=masks)
