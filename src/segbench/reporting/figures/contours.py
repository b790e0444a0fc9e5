"""Where the best configuration's outlines lie against the truth's: its best, its median and its worst image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from segbench.labels import IGNORE_INDEX as IGNORE
from segbench.pictures.canvas import save
from segbench.pictures.panels import as_rgb, class_colour, class_legend
from segbench.pictures.styles import wrapped
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.examples import best_shown, choose, kept_images, masks_of, score_of
from segbench.reporting.figures.spec import FigureSpec, masks

WIDTH = 7.2
# Thin enough for glands that nearly touch, with a rim that shows on any stain.
LINE, RIM = 1.1, 2.0
# On and off, in line widths: gaps wide enough to see what is predicted through them.
TRUTH = (0, (2.5, 3.0))


def draw_contours(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw outlines over the images: solid as predicted, dashed as in truth.

    Predicted ones have the colours of the classes. The truth's are white and above them where there is one class; of
    several classes they have the colours too and are below, as else small objects could not be seen.

    The images are chosen by the scores of the configuration that is drawn, the one with the best mean of those that
    kept their predictions; of its runs the one is drawn that the other pictures show too.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the means.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where predictions or images were not kept.
    """
    best = best_shown(comparison, evidence)
    images = kept_images(comparison, [(best.run, best.archive.ids)])
    chosen = choose(comparison, [best.row], images, [best])
    first, colours = images.image(chosen[0][1]), best.run.class_colours
    class_names, cell = best.run.counts[comparison.split].class_names, WIDTH / len(chosen)
    alone = colours is None and len(class_names) == 2
    figure = Figure(figsize=(WIDTH, cell * first.shape[0] / first.shape[1] + 1.0), dpi=200, layout="constrained")
    for axes, (rank, name) in zip(figure.subplots(1, len(chosen), squeeze=False)[0], chosen, strict=True):
        truth, prediction = masks_of(images.mask(name), [best], name)
        axes.imshow(as_rgb(images.image(name)), interpolation="none", extent=(0, truth.shape[1], truth.shape[0], 0))
        _outline(axes, truth, dashed=True, colours=colours, alone=alone)
        _outline(axes, prediction, dashed=False, colours=colours, alone=alone)
        value = score_of(comparison, best, name)
        axes.set_title(f"{rank}: {value:.3f}" if np.isfinite(value) else rank, fontsize=8.5)
        axes.set_xlabel(wrapped(name, int(cell * 14), 2), fontsize=7)
        axes.set_xticks([])
        axes.set_yticks([])
    _explain(figure, class_names, colours, alone)
    seed = "" if best.run.seed is None else f", seed {best.run.seed}"
    words = f"{best.row.label}: {comparison.score.title_with_unit} of each image; {comparison.split} split{seed}"
    figure.suptitle(wrapped(words, 100, 2), fontsize=8, color="0.3")
    save(figure, path)


def _outline(
    axes: Axes, mask: NDArray[np.uint8], dashed: bool, colours: tuple[str, ...] | None = None, alone: bool = False
) -> None:
    """Draw the edge of every class, where the mask's pixels end; ``alone`` if there is one class and no other."""
    height, width = mask.shape
    places = np.arange(width) + 0.5, np.arange(height) + 0.5
    for label in np.unique(mask):
        if label == IGNORE or (label == 0 and colours is None):
            continue
        above = alone and dashed
        colour = "white" if above else class_colour(int(label), colours)
        style: Any = {"colors": [colour], "linestyles": [TRUTH] if dashed else "-", "linewidths": LINE}
        drawn = axes.contour(*places, (mask == label).astype(float), levels=[0.5], zorder=4 if above else 2, **style)
        if alone or not dashed:
            drawn.set_path_effects(_rim(alone))


def _rim(alone: bool) -> list[Any]:
    return [Stroke(linewidth=RIM, foreground="black" if alone else "white"), Normal()]


def _explain(figure: Figure, class_names: tuple[str, ...], colours: tuple[str, ...] | None, alone: bool) -> None:
    class_legend(figure, class_names, ignored=False, colours=colours)
    predicted = Line2D([], [], color=class_colour(1) if alone else "0.2", linewidth=LINE)
    true = Line2D([], [], color="white" if alone else "0.2", linestyle=TRUTH, linewidth=LINE)
    lines = [predicted, true]
    for line in lines if alone else ():
        line.set_path_effects(_rim(alone))
    figure.legend(lines, ["prediction", "truth"], loc="outside lower right", ncols=2, fontsize=7.5, frameon=False)


FIGURE = FigureSpec("Contours of the best", "contours.png", draw_contours, shows_data=True, needs=masks)
