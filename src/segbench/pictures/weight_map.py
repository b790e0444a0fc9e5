"""The weight map of a loss on an image, around the border between two near objects."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey
from segbench.pictures.panels import as_rgb, overlay

# Side of the part that is shown, in pixels: a few cells of a microscope image.
SIDE = 96
# Side of the window whose border weights are averaged to find that part: about the gap between two objects.
GAP = 15
CELL, SIZE = 2.3, 8.0
MAP = "magma"


def border_weight(mask: NDArray[np.integer[Any]], weight: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return each pixel's weight minus the least weight of its class, float64 (H,W); 0 for ignored pixels.

    A weight is the sum of a class weight and a border term, which is almost 0 where no two objects are near, so the
    difference is the border term, whatever the class weights.

    Args:
        mask: Class of each pixel (H,W), 255 for ignored ones.
        weight: Weight of each pixel (H,W).
    """
    found = np.zeros(mask.shape)
    for label in np.unique(mask):
        if label != IGNORE_INDEX:
            inside = mask == label
            found[inside] = weight[inside] - weight[inside].min()
    return found


def border_part(border: NDArray[np.float64], side: int = SIDE) -> tuple[slice, slice]:
    """Return the square part of the image, rows and columns, around the highest border weights.

    Args:
        border: From :func:`border_weight`, (H,W).
        side: Side of the part in pixels; limited to the image's sides.
    """
    around = cv2.boxFilter(border.astype(np.float32), -1, (GAP, GAP), borderType=cv2.BORDER_CONSTANT)
    peak = np.unravel_index(int(around.argmax()), border.shape)
    parts = []
    for centre, length in zip(peak, border.shape, strict=True):
        size = min(side, length)
        start = min(max(int(centre) - size // 2, 0), length - size)
        parts.append(slice(start, start + size))
    return parts[0], parts[1]


def draw_weight_map(
    image: NDArray[Any],
    mask: NDArray[np.integer[Any]],
    weight: NDArray[np.floating[Any]],
    key: MaskKey,
    words: str = "",
) -> Figure:
    """Draw image, truth, weight map and border term, in a part around two objects that are near each other.

    Args:
        image: (H,W), (H,W,1) or (H,W,3); uint8 or float in [0, 1].
        mask: Class of each pixel (H,W), 255 for ignored ones.
        weight: Weight of each pixel (H,W), 0 or more.
        key: How to read the mask.
        words: Heading: the image's id and the settings of the weights.

    Raises:
        ValueError: If the sizes differ, or all pixels of each class have equal weights: without two objects there is no
            border to show.
    """
    picture = as_rgb(image)
    if not picture.shape[:2] == mask.shape == weight.shape:
        raise ValueError(f"image {picture.shape[:2]}, mask {mask.shape} and weight {weight.shape} differ in size")
    border = border_weight(mask, weight)
    if not border.max(initial=0) > 0:
        raise ValueError("all pixels of each class have equal weights: there is no border between two objects")
    part = border_part(border)
    shown = picture[part]
    ratio = shown.shape[0] / shown.shape[1]
    figure = Figure(figsize=(4 * CELL + 1.2, CELL * ratio + 0.5), dpi=150, layout="constrained")
    axes = figure.subplots(1, 4)
    _show(axes[0], shown, "image")
    _show(axes[1], overlay(shown, mask[part], key), "truth")
    inside = weight[part][weight[part] > 0]
    norm = LogNorm(float(inside.min()), float(inside.max())) if np.ptp(inside) else Normalize()
    _show(axes[2], np.maximum(weight[part], inside.min()), "pixel weight", norm)
    _show(axes[3], border[part], "border term", Normalize(0.0, float(border[part].max())))
    if words:
        figure.suptitle(words, fontsize=SIZE, color="0.3")
    return figure


def _show(axes: Axes, values: NDArray[Any], title: str, norm: Normalize | None = None) -> None:
    drawn = axes.imshow(values, interpolation="nearest", cmap=MAP, norm=norm)
    axes.set_title(title, fontsize=SIZE + 0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    if norm is not None:
        bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.02, format="%g")
        bar.ax.tick_params(labelsize=SIZE - 1)
