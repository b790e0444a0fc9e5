"""A grid of misclassified images: true class, predicted class and its probability."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

ACROSS, ACROSS_LONG = 8, 5
WIDTH = 7.2
# Longer captions take two lines.
SHORT_CAPTION = 13
FONT = 8.0
LINE_INCHES = 0.15


@dataclass(frozen=True)
class Mistake:
    """A misclassified image.

    Attributes:
        image: uint8, or float in [0, 1]; (H,W), (H,W,1) or (H,W,3).
        truth: Name of the true class.
        prediction: Name of the predicted class.
        probability: Probability of the predicted class.
    """

    image: NDArray[np.uint8] | NDArray[np.float32]
    truth: str
    prediction: str
    probability: float


def draw_mistakes(mistakes: Sequence[Mistake], heading: str) -> Figure:
    """Draw misclassified images, each captioned with true class, predicted class and its probability.

    Args:
        mistakes: At least one.
        heading: Heading of the figure.

    Raises:
        ValueError: If there is none.
    """
    if not mistakes:
        raise ValueError("no mistakes to draw")
    long = max(len(f"{part.truth} → {part.prediction}") for part in mistakes) > SHORT_CAPTION
    across = ACROSS_LONG if long else ACROSS
    down = -(-len(mistakes) // across)
    cell = WIDTH / across
    shape = np.max([part.image.shape[:2] for part in mistakes], axis=0)
    lines = 3 if long else 2
    words = textwrap.fill(heading, 116)
    height = down * (0.88 * cell * shape[0] / shape[1] + (lines + 0.6) * LINE_INCHES)
    top = LINE_INCHES * (words.count("\n") + 1) + 0.3
    figure = Figure(figsize=(WIDTH, height + top), dpi=150, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)  # type: ignore[union-attr, call-arg]
    figure.suptitle(words, fontsize=FONT + 0.5, color="0.3")
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for axes, part in zip(grid.ravel(), mistakes, strict=False):
        grey = part.image.ndim == 2 or part.image.shape[2] == 1
        most = 255 if part.image.dtype == np.uint8 else 1
        picture = part.image.reshape(part.image.shape[:2]) if grey else part.image
        axes.imshow(picture, cmap="gray" if grey else None, vmin=0, vmax=most, interpolation="nearest")
        axes.set_title(_caption(part, long), fontsize=FONT, pad=3, linespacing=1.1)
    return figure


def _caption(part: Mistake, long: bool) -> str:
    truth, prediction = (textwrap.shorten(name, 22, placeholder="…") for name in (part.truth, part.prediction))
    return f"{truth}{chr(10) if long else ' '}→ {prediction}\n{_probability(part.probability)}"


def _probability(value: float) -> str:
    """Return a probability in percent; one below 1 never looks certain."""
    percent = 100 * min(value, 1.0)
    return ">99.9 %" if percent >= 99.95 else f"{percent:.1f} %"
