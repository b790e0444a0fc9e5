"""The most confident errors of the best classifier, so that a reader can see whether these images are hard."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.mistakes import Mistake, draw_mistakes
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.figures.examples import kept_images
from segbench.reporting.figures.spec import FigureSpec, right_or_wrong, without_evidence

MOST_SHOWN = 40


def draw_best_mistakes(comparison: Comparison, path: Path) -> None:
    """Draw the images that the best configuration misclassified with the most confidence, of its first seed.

    Args:
        comparison: The experiment.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no run is finished, the images were not kept, or all are classified correctly.
    """
    rows = [row for row in comparison.rows if row.done and np.isfinite(row.scores[comparison.metric].mean)]
    if not rows:
        raise NothingToDrawError("no run is finished")
    best = max(rows, key=lambda row: comparison.direction * row.scores[comparison.metric].mean)
    run = best.done[0]
    labels = run.counts[comparison.split]
    chosen = labels.confident_errors(MOST_SHOWN)
    if labels.right is None or not chosen:
        raise NothingToDrawError(f"{best.label} classified every image correctly")
    images = kept_images(comparison, [(run, labels.ids)])
    mistakes = [
        Mistake(images.image(labels.ids[error.index]), error.truth, error.predicted, error.probability)
        for error in chosen
    ]
    wrong = int(np.count_nonzero(~labels.right))
    which = f"the {len(chosen)} most confident of {wrong}" if wrong > len(chosen) else f"all {wrong}"
    heading = (
        f"{best.label}, seed {run.seed}: misclassified, {which} among {len(labels.ids)} images"
        f" ({comparison.split} split); true class → predicted class, probability"
    )
    save(draw_mistakes(mistakes, heading), path)


FIGURE = FigureSpec(
    "Most confident errors",
    "mistakes.png",
    without_evidence(draw_best_mistakes),
    shows_data=True,
    needs=right_or_wrong,
)
