"""Predictions of the same validation images after several epochs of training."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey
from segbench.pictures.overlays import draw_line, shortened
from segbench.pictures.panels import class_legend
from segbench.runs.kept_epochs import KeptEpochs
from segbench.scores.objects import components

LEAST_WIDTH, CELL = 7.2, 1.7
SIZE = 8.0
# For small objects: the side of the part shown, in sides of an object, and its least fraction of the image's side.
ACROSS, LEAST_SHARE = 8.0, 0.35


def epochs_figure(
    kept: KeptEpochs,
    key: MaskKey,
    scores: dict[int, float] | None = None,
    best: int | None = None,
) -> Figure:
    """Return a figure with a row per image: image, truth, predictions after each epoch and of the best checkpoint.

    Args:
        kept: The images and predictions.
        key: How to read their masks.
        scores: Scores by epoch, for the column titles; None for no scores.
        best: The epoch of the best checkpoint, if known.
    """
    columns = [(_after(epoch, scores or {}), archive) for epoch, archive in kept.epochs]
    if kept.best is not None:
        columns.append(("best weights" + ("" if best is None else f"\n{_after(best, scores or {})}"), kept.best))
    across = 2 + len(columns)
    cell = max(LEAST_WIDTH / across, CELL)
    ids = kept.images.ids
    truths = [kept.images.mask(name) for name in ids]
    # If every pixel has a class there are no objects in front of a background: images are shown whole.
    parts = parts_shown(truths if key.partial else [np.zeros_like(truth) for truth in truths])
    tall, wide = (part.stop - part.start for part in parts[0])
    title_lines = max(title.count("\n") for title, _ in columns) + 1
    height = len(ids) * (cell * tall / wide + 0.2) + 0.14 * title_lines + 0.55
    figure = Figure(figsize=(cell * across, height), dpi=150, layout="constrained")
    # The declared type is any layout; the constrained one has these arguments.
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.02, wspace=0.01)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(len(ids), across, squeeze=False)
    for row, name, truth, part in zip(grid, ids, truths, parts, strict=True):
        predictions = [np.where(truth == IGNORE_INDEX, truth, archive.mask(name)) for _, archive in columns]
        draw_line(list(row), kept.images.image(name)[part], [mask[part] for mask in (truth, *predictions)], key)
        row[0].set_xlabel(shortened(name, int(cell * 14)), fontsize=SIZE - 1)
    for axes, title in zip(grid[0], ["image", "truth", *(title for title, _ in columns)], strict=True):
        axes.set_title(title, fontsize=SIZE)
    class_legend(figure, key, any((truth == IGNORE_INDEX).any() for truth in truths))
    return figure


def parts_shown(truths: Sequence[NDArray[np.uint8]]) -> list[tuple[slice, slice]]:
    """Return the part of each image to show, rows and columns: the whole image, unless objects are small.

    Small objects get a part of about :data:`ACROSS` times an object's side, with the image's aspect ratio, where there
    is most foreground.

    Args:
        truths: The images' masks (H,W), 0 where no class is.
    """
    foregrounds = [(truth > 0) & (truth != IGNORE_INDEX) for truth in truths]
    areas = [np.bincount(components(foreground).ravel())[1:] for foreground in foregrounds]
    sides = np.sqrt(np.concatenate(areas))
    wanted = ACROSS * float(np.median(sides)) if len(sides) else np.inf
    parts = []
    for foreground in foregrounds:
        height, width = foreground.shape
        share = min(max(wanted / max(height, width), LEAST_SHARE), 1.0)
        size = (max(round(share * width), 1), max(round(share * height), 1))
        inside = cv2.boxFilter(foreground.astype(np.float32), -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        row, column = np.unravel_index(int(inside.argmax()), inside.shape)
        top = min(max(int(row) - size[1] // 2, 0), height - size[1])
        left = min(max(int(column) - size[0] // 2, 0), width - size[0])
        parts.append((slice(top, top + size[1]), slice(left, left + size[0])))
    return parts


def _after(epoch: int, scores: dict[int, float]) -> str:
    score = scores.get(epoch)
    return f"after epoch {epoch}" + ("" if score is None or not np.isfinite(score) else f"\n{score:.3f}")
