"""Prediction panels for reports: image | truth | prediction, one row per image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey
from segbench.pictures.palette import CLASS_COLOURS, rgb
from segbench.runs.files import atomic_open

GREY = (0.55, 0.55, 0.55)
OPACITY = 0.5
# Of edges that lie on each other: pixels of one colour before the next.
DASH = 3
CELL_INCHES = 2.3
TITLES = ("image", "truth", "prediction")
# PNG metadata key of the row titles, a JSON list, for pages that show rows separately.
TITLES_KEY = "Row titles"


def draw_panels(
    images: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    predictions: Sequence[np.ndarray],
    key: MaskKey,
    path: Path,
    titles: Sequence[str],
) -> None:
    """Draw a grid of image | truth | prediction and write it as PNG.

    Args:
        images: N arrays (H, W, C) or (H, W), C = 1, 2 or 3; float in [0, 1] or uint8. Sizes may differ.
        truths: N integer masks (H, W); label 255 (ignored) is hatched grey.
        predictions: N integer masks (H, W).
        key: How to read the masks.
        path: The PNG to write.
        titles: N row titles, for example ``"car_01  Dice 0.987"``.

    Raises:
        ValueError: If the sequences differ in length or are empty, or a mask's size differs from its image's.
    """
    if not len(images) or len({len(images), len(truths), len(predictions), len(titles)}) != 1:
        raise ValueError("images, truths, predictions and titles must have the same length, at least 1")
    pictures = [as_rgb(image) for image in images]
    for picture, truth, prediction in zip(pictures, truths, predictions, strict=True):
        if not picture.shape[:2] == np.shape(truth) == np.shape(prediction):
            raise ValueError(
                f"mask {np.shape(truth)} or {np.shape(prediction)} differs from its image's size {picture.shape[:2]}"
            )
    figure, canvas = _figure(pictures)
    grid = figure.subplots(len(pictures), 3, squeeze=False)
    for axes, picture, truth, prediction, title in zip(grid, pictures, truths, predictions, titles, strict=True):
        _draw_row(axes, picture, np.asarray(truth), np.asarray(prediction), title, key)
    for axes, title in zip(grid[0], TITLES, strict=True):
        axes.annotate(
            title, (0.5, 1), (0, 16), xycoords="axes fraction", textcoords="offset points", ha="center", weight="bold"
        )
    ignored = any((np.asarray(truth) == IGNORE_INDEX).any() for truth in truths)
    class_legend(figure, key, ignored)
    with atomic_open(path) as stream:
        canvas.print_png(stream, metadata={TITLES_KEY: json.dumps([str(title) for title in titles])})


def overlay(picture: np.ndarray, mask: np.ndarray, key: MaskKey) -> np.ndarray:
    """Overlay class colours on a picture.

    Args:
        picture: float (H, W, 3) in [0, 1].
        mask: Integer (H, W). Pixels without a shown class are transparent, 255 is grey, others get the colour of their
            class, or the mean colour of several; each class has an opaque edge, and where edges coincide their colours
            alternate.
        key: How to read the mask.

    Returns:
        float (H, W, 3) in [0, 1].
    """
    # What becomes of a pixel depends on its value alone, of which there are 256.
    keep, tint = (table.astype(picture.dtype) for table in _blend(key))
    result = picture * keep[mask][..., None] + tint[mask]
    _outline(result, mask, key)
    return result


def _blend(key: MaskKey) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of a picture that pixels of each value keep, (256,), and the colour added to it, (256, 3)."""
    number, colours = np.zeros(256), np.zeros((256, 3))
    for index in key.shown:
        values = key.form.values(index)
        number[values] += 1
        colours[values] += class_colour(index, key)
    number[IGNORE_INDEX], colours[IGNORE_INDEX] = 1, GREY
    return np.where(number > 0, 1 - OPACITY, 1.0), OPACITY * (colours / np.maximum(number, 1)[:, None])


def _outline(result: np.ndarray, mask: np.ndarray, key: MaskKey) -> None:
    """Draw the edges of regions, each with its colour; where several coincide, they take turns."""
    rims = [(inside & edges(inside), index) for index in key.shown if (inside := key.inside(mask, index)).any()]
    if not rims:
        return
    rows, columns = np.nonzero(np.logical_or.reduce([rim for rim, _ in rims]))
    single = [(rim[rows, columns], class_colour(index, key)) for rim, index in rims]
    turn = (rows // DASH + columns // DASH) % np.sum([rim for rim, _ in single], axis=0, dtype=int)
    before = np.zeros(len(rows), int)
    for rim, colour in single:
        drawn = rim & (before == turn)
        result[rows[drawn], columns[drawn]] = colour
        before += rim


def class_colour(index: int, key: MaskKey) -> tuple[float, float, float]:
    """Return the colour of a class, red, green and blue in [0, 1]; after its last colour the palette repeats, darker.

    Args:
        index: The class index, one of those shown.
        key: Has the data's own colours, if any, and the first class shown.
    """
    if key.colours is not None:
        return rgb(key.colours[index])
    turn, place = divmod(index - key.shown.start, len(CLASS_COLOURS))
    red, green, blue = (channel * 0.6**turn for channel in rgb(CLASS_COLOURS[place]))
    return red, green, blue


def as_picture(image: np.ndarray) -> np.ndarray:
    """Return an image (..., C) with 1 or 3 channels for display: two channels (stains) become red and green."""
    if image.shape[-1] != 2:
        return image
    return np.concatenate([image, np.zeros_like(image[..., :1])], axis=-1)


def input_picture(image: Any, mean: Any, std: Any) -> np.ndarray:
    """Return a network's input as a picture, float (H,W,C) in [0, 1], C = 1 or 3.

    Args:
        image: The normalised image, a tensor (C,H,W).
        mean: The mean that was subtracted from each channel, (C,).
        std: The standard deviation that each channel was divided by, (C,).
    """
    pixels = image.numpy() * np.reshape(std, (-1, 1, 1)) + np.reshape(mean, (-1, 1, 1))
    return as_picture(np.clip(pixels, 0, 1).transpose(1, 2, 0))


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W) or (H, W, C), uint8 or float in [0, 1], as float (H, W, 3) in [0, 1]."""
    array = np.asarray(image)
    scaled = array / 255.0 if array.dtype == np.uint8 else np.clip(array.astype(np.float64), 0.0, 1.0)
    scaled = scaled[..., None] if scaled.ndim == 2 else as_picture(scaled)
    return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled[..., :3]


def edges(labels: np.ndarray) -> np.ndarray:
    """Return which pixels (H, W) have a neighbour with another label; the image border is not an edge.

    Args:
        labels: Integer or bool (H, W); the neighbours are those above, below, left and right.
    """
    found = np.zeros(labels.shape, bool)
    # The same array upright and turned: what differs from the next one is an edge on both sides.
    for lines, values in ((found, labels), (found.T, labels.T)):
        changed = values[1:] != values[:-1]
        lines[1:] |= changed
        lines[:-1] |= changed
    return found


def _figure(pictures: Sequence[np.ndarray]) -> tuple[Figure, FigureCanvasAgg]:
    ratio = float(np.mean([picture.shape[0] / picture.shape[1] for picture in pictures]))
    height = len(pictures) * (CELL_INCHES * ratio + 0.23) + 0.75
    figure = Figure(figsize=(3 * CELL_INCHES + 0.2, height), dpi=110, layout="constrained")
    # Room for the row titles, which the layout ignores. The declared type is any layout; the constrained one has h_pad.
    figure.get_layout_engine().set(h_pad=0.11)  # type: ignore[union-attr, call-arg]
    return figure, FigureCanvasAgg(figure)


def _draw_row(
    axes: Sequence[Axes],
    picture: np.ndarray,
    truth: np.ndarray,
    prediction: np.ndarray,
    title: str,
    key: MaskKey,
) -> None:
    axes[0].imshow(picture, interpolation="nearest")
    axes[1].imshow(overlay(picture, truth, key), interpolation="nearest")
    shown = np.where(truth == IGNORE_INDEX, IGNORE_INDEX, prediction)
    axes[2].imshow(overlay(picture, shown, key), interpolation="nearest")
    if (truth == IGNORE_INDEX).any():
        for part in axes[1:]:
            part.contourf(truth == IGNORE_INDEX, levels=[0.5, 1.5], colors="none", hatches=["////"])
    words = axes[0].annotate(
        title, (0, 1), (0, 3), xycoords="axes fraction", textcoords="offset points", fontsize=9, annotation_clip=False
    )
    # A long title extends over the next column; in the layout it would push the columns apart.
    words.set_in_layout(False)
    for part in axes:
        part.set_axis_off()


def class_legend(figure: Figure, key: MaskKey, ignored: bool) -> None:
    """Add a legend of the classes below a figure.

    Args:
        figure: A figure with constrained layout.
        key: The classes; those that pictures show get an entry.
        ignored: Whether ignored pixels get an entry.
    """
    handles = [Patch(facecolor=class_colour(index, key), label=key.names[index]) for index in key.shown]
    if ignored:
        handles.append(Patch(facecolor=GREY, hatch="////", label="not counted"))
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=min(len(handles), 5), frameon=False, fontsize=9
        )
