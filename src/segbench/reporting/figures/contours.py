"""Where the best configuration's outlines lie against the truth's: its best, its median and its worst image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from segbench.masks import MaskKey
from segbench.pictures.canvas import save
from segbench.pictures.panels import as_rgb, class_colour, class_legend
from segbench.pictures.styles import wrapped
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.examples import best_shown, choose, kept_images, masks_of, score_of
from segbench.reporting.figures.spec import FigureSpec, masks

WIDTH = 7.2
# Thin enough for glands that nearly touch, with a rim that shows on any stain.
LINE, RIM = 1.1, 0.9
# What the first of overlapping classes has more, and their rim: a wide one would hide the outline below.
MORE, NARROW = 1.7, 0.35
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
    first, key, cell = images.image(chosen[0][1]), best.run.mask_key, WIDTH / len(chosen)
    figure = Figure(figsize=(WIDTH, cell * first.shape[0] / first.shape[1] + 1.0), dpi=200, layout="constrained")
    for axes, (rank, name) in zip(figure.subplots(1, len(chosen), squeeze=False)[0], chosen, strict=True):
        truth, prediction = masks_of(images.mask(name), [best], name)
        axes.imshow(as_rgb(images.image(name)), interpolation="none", extent=(0, truth.shape[1], truth.shape[0], 0))
        _outline(axes, truth, key, dashed=True)
        _outline(axes, prediction, key, dashed=False)
        value = score_of(comparison, best, name)
        axes.set_title(f"{rank}: {value:.3f}" if np.isfinite(value) else rank, fontsize=8.5)
        axes.set_xlabel(wrapped(name, int(cell * 14), 2), fontsize=7)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    class_legend(figure, key, ignored=False)
    seed = "" if best.run.seed is None else f", seed {best.run.seed}"
    words = f"{best.row.label}: {comparison.score.title_with_unit} of each image; {comparison.split} split{seed}"
    # A second legend beside that of the classes would run into it.
    figure.suptitle(f"{wrapped(words, 100, 2)}\nsolid: prediction; dashed: truth", fontsize=8, color="0.3")
    save(figure, path)


def _outline(axes: Axes, mask: NDArray[np.uint8], key: MaskKey, dashed: bool) -> None:
    """Draw the edge of every class, where the mask's pixels end.

    If classes overlap, earlier ones have wider lines, which show on both sides of a later one's where they coincide.
    """
    height, width = mask.shape
    # The outline of what reaches the image's edge goes along it, also of a network that marks the whole image.
    places = np.arange(-1, width + 1) + 0.5, np.arange(-1, height + 1) + 0.5
    alone = len(key.shown) == 1
    above = alone and dashed
    for index in key.shown:
        inside = key.inside(mask, index)
        if not inside.any():
            continue
        colour = "white" if above else class_colour(index, key)
        wide = _width(key, index)
        dashes = (0, tuple(length * LINE / wide for length in TRUTH[1]))
        style: Any = {"colors": [colour], "linestyles": [dashes] if dashed else "-", "linewidths": wide}
        drawn = axes.contour(*places, np.pad(inside.astype(float), 1), levels=[0.5], zorder=4 if above else 2, **style)
        drawn.set_clip_on(False)
        if alone or not dashed:
            rim = NARROW if key.form.overlapping and not alone else RIM
            drawn.set_path_effects([Stroke(linewidth=wide + rim, foreground="black" if alone else "white"), Normal()])


def _width(key: MaskKey, index: int) -> float:
    last = key.shown.stop - 1
    return LINE + (MORE * (last - index) / last if key.form.overlapping and last else 0)


FIGURE = FigureSpec("Contours of the best", "contours.png", draw_contours, shows_data=True, needs=masks)
