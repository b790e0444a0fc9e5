"""A row of one image and the same image under several masks, for figures of predictions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from segbench.masks import MaskKey
from segbench.pictures.panels import overlay

# Longest side of a picture in pixels: what is visible at the width of a page.
SIDE = 320


def draw_line(
    axes: Sequence[Axes],
    image: NDArray[np.uint8],
    masks: Sequence[NDArray[np.uint8]],
    key: MaskKey,
) -> None:
    """Draw an image and, for each mask, the image overlaid with it.

    Args:
        axes: One more than there are masks.
        image: uint8 (h,w) or (h,w,3).
        masks: uint8 (H,W).
        key: How to read the masks.
    """
    picture = shrunk(image) / 255.0
    picture = np.repeat(picture.reshape(*picture.shape[:2], -1), 3, axis=2)[..., :3] if picture.ndim == 2 else picture
    size = (picture.shape[1], picture.shape[0])
    # The SVG then contains the original pixels, which a page shows as squares at any size; otherwise they would be
    # resampled at 72 per inch, hardly larger than they are.
    axes[0].imshow(picture, interpolation="none")
    for part, mask in zip(axes[1:], masks, strict=True):
        small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        part.imshow(overlay(picture, small, key), interpolation="none")
    for part in axes:
        part.set_xticks([])
        part.set_yticks([])
        part.spines[:].set_visible(True)
        part.spines[:].set(color="0.7", linewidth=0.5)


def shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image whose longer side has at most :data:`SIDE` pixels."""
    factor = SIDE / max(image.shape[:2])
    if factor >= 1:
        return image
    size = [max(round(length * factor), 1) for length in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def shortened(name: str, characters: int) -> str:
    """Return an id; of a long one only the end, where ids differ."""
    return name if len(name) <= characters else f"…{name[-characters + 1 :]}"
