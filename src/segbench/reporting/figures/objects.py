"""Which objects the best configuration found, missed and found where the truth has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from segbench.labels import IGNORE_INDEX as IGNORE
from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.instances import EXTRA, FILLS, MISSED, Matched, match_objects, object_colours, paint
from segbench.pictures.panels import as_rgb
from segbench.pictures.styles import wrapped
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.examples import Shown, best_shown, choose, kept_images, masks_of, score_of
from segbench.reporting.figures.spec import FigureSpec, masks
from segbench.runs.archive import Kept
from segbench.runs.split_scores import SplitScores
from segbench.scores.objects import OBJECT_SCORES, components

WIDTH = 9.0
SIZE = 8.0


def draw_objects(comparison: Comparison, evidence: Evidence, path: Path) -> None:
    """Draw image, truth's objects and predicted objects of the best configuration's best, median and worst image.

    An object that was found has one colour on both sides. Truth objects are those of the annotators where the images
    were kept with them, else connected components of their class, as predicted ones always are.

    Args:
        comparison: The experiment.
        evidence: What its runs show: the means.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no class is made of objects, or predictions or images were not kept.
    """
    best = best_shown(comparison, evidence)
    counts = best.run.counts[comparison.split]
    classes = object_classes(counts)
    if not classes:
        raise NothingToDrawError("no class of this data set is made of objects")
    images = kept_images(comparison, [(best.run, best.archive.ids)])
    chosen = choose(comparison, [best.row], images, [best])
    first = images.image(chosen[0][1])
    line = (WIDTH / 3 - 0.1) * first.shape[0] / first.shape[1] + 0.25
    figure = Figure(figsize=(WIDTH, len(chosen) * line + 0.55), dpi=200, layout="constrained")
    for axes, (rank, name) in zip(figure.subplots(len(chosen), 3, squeeze=False), chosen, strict=True):
        score = score_of(comparison, best, name)
        title = f"{rank}: {name}" + (f", {score:.3f}" if np.isfinite(score) else "")
        _draw_line(axes, as_rgb(images.image(name)), match_image(images, best, name, classes), title)
    _explain(figure)
    seed = "" if best.run.seed is None else f", seed {best.run.seed}"
    words = f"{best.row.label}: {comparison.score.title_with_unit} of each image; {comparison.split} split{seed}"
    figure.suptitle(wrapped(words, 120, 2), fontsize=SIZE, color="0.3")
    save(figure, path)


def object_classes(counts: SplitScores) -> list[int]:
    """Return the indices of the classes that are made of objects: those of which the run stored object scores."""
    score = counts.scores.get(OBJECT_SCORES[0].name)
    return [] if score is None else [counts.class_names.index(label) for label in counts.scored_classes(score)]


def match_image(images: Kept, shown: Shown, name: str, classes: list[int]) -> Matched:
    """Match the objects of one image's truth and prediction; those of several classes stand beside each other."""
    truth, prediction = masks_of(images.mask(name), [shown], name)
    drawn, key = images.objects(name), shown.run.mask_key
    sides = []
    for mask, known in ((truth, drawn), (prediction, None)):
        labels = np.zeros(mask.shape, np.int32)
        for index in classes:
            inside = key.inside(mask, index)
            # As they are scored: of a single class whole, also where the mask has another class in their place.
            drawn_in = mask != IGNORE if len(classes) == 1 else inside
            own = components(inside) if known is None else np.where(drawn_in, known, 0)
            labels[own > 0] = own[own > 0] + labels.max(initial=0)
        sides.append(labels)
    return match_objects(*sides)


def _draw_line(axes: NDArray[np.object_], picture: NDArray[np.float64], matched: Matched, title: str) -> None:
    of_truth, of_prediction = object_colours(matched)
    total, found = len(matched.partner) - 1, int(matched.predicted.max(initial=0))
    lacking = f"{found} predicted, {len(matched.extra)} that the truth lacks"
    lacking += f", {matched.merged} merged" if matched.merged else ""
    parts = [
        (picture, wrapped(title, 44, 2)),
        (paint(picture, matched.truth, of_truth, MISSED), f"{total} in the truth, {len(matched.missed)} missed"),
        (paint(picture, matched.predicted, of_prediction, EXTRA), lacking),
    ]
    for part, (shown, words) in zip(axes, parts, strict=True):
        _show(part, shown, words)


def _show(axes: Axes, picture: NDArray[np.float64], words: str) -> None:
    axes.imshow(picture, interpolation="none")
    axes.set_title(words, fontsize=SIZE)
    axes.set_xticks([])
    axes.set_yticks([])


def _explain(figure: Figure) -> None:
    rim = [Stroke(linewidth=4.5, foreground="black"), Normal()]
    handles = [
        Patch(facecolor=FILLS[0], label="found: more than half of it covered; one colour on both sides"),
        Line2D([], [], color=MISSED, linewidth=2.5, path_effects=rim, label="missed"),
        Line2D([], [], color=EXTRA, linewidth=2.5, path_effects=rim, label="found, but the truth lacks it"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=SIZE)


FIGURE = FigureSpec("Objects found and missed", "objects.png", draw_objects, shows_data=True, needs=masks)
