"""Prediction panels: image | truth | prediction, one row an image, fit for a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from segbench.masks import IGNORE, MaskKey
from segbench.pictures.palette import CLASS_COLOURS, rgb
from segbench.runs.files import atomic_open

GREY = (0.55, 0.55, 0.55)
OPACITY = 0.5
# Of edges that lie on each other: pixels of one colour before the next.
DASH = 3
CELL_INCHES = 2.3
TITLES = ("image", "truth", "prediction")
# Where the PNG carries its row titles as a JSON list, for pages that show the rows apart.
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
        ValueError: If the sequences differ in length, are empty, or a mask does not have its image's size.
    """
    if not len(images) or len({len(images), len(truths), len(predictions), len(titles)}) != 1:
        raise ValueError("images, truths, predictions and titles must be equally many, and at least one")
    pictures = [as_rgb(image) for image in images]
    for picture, truth, prediction in zip(pictures, truths, predictions, strict=True):
        if not picture.shape[:2] == np.shape(truth) == np.shape(prediction):
            raise ValueError(
                f"mask {np.shape(truth)} or {np.shape(prediction)} is not of its image's size {picture.shape[:2]}"
            )
    figure, canvas = _figure(pictures)
    grid = figure.subplots(len(pictures), 3, squeeze=False)
    for axes, picture, truth, prediction, title in zip(grid, pictures, truths, predictions, titles, strict=True):
        _draw_row(axes, picture, np.asarray(truth), np.asarray(prediction), title, key)
    for axes, title in zip(grid[0], TITLES, strict=True):
        axes.annotate(
            title, (0.5, 1), (0, 16), xycoords="axes fraction", textcoords="offset points", ha="center", weight="bold"
        )
    ignored = any((np.asarray(truth) == IGNORE).any() for truth in truths)
    class_legend(figure, key, ignored)
    with atomic_open(path) as stream:
        canvas.print_png(stream, metadata={TITLES_KEY: json.dumps([str(title) for title in titles])})


def overlay(picture: np.ndarray, mask: np.ndarray, key: MaskKey) -> np.ndarray:
    """Lay the class colours over a picture.

    Args:
        picture: float (H, W, 3) in [0, 1].
        mask: Integer (H, W); a pixel without a shown class is left as it is, 255 is grey. The others get the colour of
            their class, of several the mean of the colours, and each class a darker, opaque edge; where the edges of
            several lie on each other, their colours take turns.
        key: How to read the mask.

    Returns:
        float (H, W, 3) in [0, 1].
    """
    result = picture.copy()
    ignored = mask == IGNORE
    result[ignored] = (1 - OPACITY) * picture[ignored] + OPACITY * np.array(GREY)
    parts = [(key.inside(mask, index), np.array(class_colour(index, key))) for index in key.shown]
    number, colours = np.zeros(mask.shape, int), np.zeros((*mask.shape, 3))
    for inside, colour in parts:
        number[inside] += 1
        colours[inside] += colour
    filled = number > 0
    result[filled] = (1 - OPACITY) * picture[filled] + OPACITY * (colours[filled] / number[filled][:, None])
    edges = [(_edge(inside), colour) for inside, colour in parts]
    together = np.sum([edge for edge, _ in edges], axis=0, dtype=int)
    rows, columns = (np.arange(length) // DASH for length in mask.shape)
    turn = (rows[:, None] + columns) % np.maximum(together, 1)
    before = np.zeros(mask.shape, int)
    for edge, colour in edges:
        result[edge & (before == turn)] = colour
        before += edge
    return result


def class_colour(index: int, key: MaskKey) -> tuple[float, float, float]:
    """Return the colour of a shown class; the palette repeats, darker, after its last colour.

    Args:
        index: The class index.
        key: Tells the data's own colours, if it has such, and which class is the first that is shown.
    """
    if key.colours is not None:
        return rgb(key.colours[index])
    turn, place = divmod(index - key.shown.start, len(CLASS_COLOURS))
    red, green, blue = (channel * 0.6**turn for channel in rgb(CLASS_COLOURS[place]))
    return red, green, blue


def as_picture(image: np.ndarray) -> np.ndarray:
    """Return an image (..., C) as it can be shown, C = 1 or 3: two channels (stains) become red and green."""
    if image.shape[-1] != 2:
        return image
    return np.concatenate([image, np.zeros_like(image[..., :1])], axis=-1)


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W) or (H, W, C), uint8 or float in [0, 1], as float (H, W, 3) in [0, 1]."""
    array = np.asarray(image)
    scaled = array / 255.0 if array.dtype == np.uint8 else np.clip(array.astype(np.float64), 0.0, 1.0)
    scaled = scaled[..., None] if scaled.ndim == 2 else as_picture(scaled)
    return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled[..., :3]


def _edge(inside: np.ndarray) -> np.ndarray:
    """Return the pixels of a region that touch another one above, below, left or right; the picture's rim is none."""
    padded = np.pad(inside, 1, mode="edge")
    return inside & ~(padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:])


def _figure(pictures: Sequence[np.ndarray]) -> tuple[Figure, FigureCanvasAgg]:
    ratio = float(np.mean([picture.shape[0] / picture.shape[1] for picture in pictures]))
    height = len(pictures) * (CELL_INCHES * ratio + 0.23) + 0.75
    figure = Figure(figsize=(3 * CELL_INCHES + 0.2, height), dpi=110, layout="constrained")
    # Room for the rows' titles, which the layout does not see. The type is that of any layout, which has none.
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
    shown = np.where(truth == IGNORE, IGNORE, prediction)
    axes[2].imshow(overlay(picture, shown, key), interpolation="nearest")
    if (truth == IGNORE).any():
        for part in axes[1:]:
            part.contourf(truth == IGNORE, levels=[0.5, 1.5], colors="none", hatches=["////"])
    words = axes[0].annotate(
        title, (0, 1), (0, 3), xycoords="axes fraction", textcoords="offset points", fontsize=9, annotation_clip=False
    )
    # A long title runs on over the next column; in the layout it would push the columns apart.
    words.set_in_layout(False)
    for part in axes:
        part.set_axis_off()


def class_legend(figure: Figure, key: MaskKey, ignored: bool) -> None:
    """Name the shown classes below a figure, and what is not counted if there is any."""
    handles = [Patch(facecolor=class_colour(index, key), label=key.names[index]) for index in key.shown]
    if ignored:
        handles.append(Patch(facecolor=GREY, hatch="////", label="not counted"))
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=min(len(handles), 5), frameon=False, fontsize=9
        )
