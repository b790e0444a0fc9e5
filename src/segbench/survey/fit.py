"""How well the contours of a mask lie on the edges of an image, also after the mask is moved, turned or replaced.

The score of a mask is the mean, over its contours, of w cos^2(a): a is the angle between the image's gradient and the
contour's normal, and w = m^2 / (m^2 + k^2) grows with the gradient's magnitude m (k is 1.5 times the image's mean).
Subtracted is the mean that the same contours would have at random places, so 0 means that contours and edges know
nothing of each other, whatever the image's texture. Both are sums of products of tensors, so all shifts are computed at
once by Fourier transforms, as in phase correlation. Gradients of several channels are joined as by S. Di Zenzo (A note
on the gradient of a multi-image, 1986).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey

# Longest side at which edges and contours are compared.
SIDE = 128
# Largest shift that is tried, as a fraction of the longer side.
_REACH = 0.2
# Half the width of a peak of the score over shifts, in pixels.
_PEAK = 5
# Of the contours, what must still be inside the image after a shift.
_INSIDE = 0.6
Tensors = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Contours:
    """The contours of a mask.

    Attributes:
        tensors: Outer products of the normals (3,h,w), as xx, xy, yy; their trace is the weight of a pixel.
        length: Sum of the weights, about the length of the contours in pixels.
    """

    tensors: Tensors
    length: float


@dataclass(frozen=True)
class Shift:
    """Where a mask fits best.

    Attributes:
        rows, columns: Down and right, in pixels of :func:`small_size`.
        score: The score there.
        margin: By how much it exceeds the score of every place farther than :data:`_PEAK` pixels from it.
    """

    rows: int
    columns: int
    score: float
    margin: float


def small_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width at which an image is compared with masks: at most :data:`SIDE`."""
    factor = min(1.0, SIDE / max(height, width))
    return max(round(height * factor), 1), max(round(width * factor), 1)


def image_edges(image: NDArray[np.float32]) -> Tensors:
    """Return the edges of an image.

    Args:
        image: float32 (h,w,C) in [0, 1], of :func:`small_size`.

    Returns:
        float32 (3,h,w): products of the gradient's unit vectors, xx, xy, yy, times w in [0, 1].
    """
    parts = np.zeros((3, *image.shape[:2]), np.float32)
    for channel in range(image.shape[2]):
        parts = parts + _products(cv2.GaussianBlur(image[..., channel], (0, 0), 1.0))
    power = parts[0] + parts[2]
    floor = (1.5 * float(np.sqrt(power).mean())) ** 2
    return parts / (power + floor + 1e-8)


def mask_contours(mask: NDArray[np.uint8], key: MaskKey) -> Contours:
    """Return the contours of the classes of a mask (H,W), at :func:`small_size`; none around ignored pixels."""
    height, width = small_size(*mask.shape)
    tensors = np.zeros((3, height, width), np.float32)
    for value in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[:IGNORE_INDEX]):
        inside = np.asarray(mask == value, np.float32)
        part = _products(
            cv2.GaussianBlur(cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA), (0, 0), 0.7)
        )
        # Twice, as each contour is seen from both of its sides.
        tensors += part / (2 * np.sqrt(part[0] + part[2]) + 1e-6)
    ignored = np.asarray(mask == IGNORE_INDEX, np.uint8)
    if ignored.any():
        near = cv2.dilate(
            cv2.resize(ignored, (width, height), interpolation=cv2.INTER_NEAREST), np.ones((9, 9), np.uint8)
        )
        tensors[:, near > 0] = 0
    return Contours(tensors, float(tensors[0].sum() + tensors[2].sum()))


def score(edges: Tensors, contours: Contours) -> float:
    """Return how well contours lie on edges, in [-1, 1]; nan for a mask without contours."""
    if contours.length <= 0:
        return float("nan")
    return float(_sum(edges * contours.tensors)) / contours.length - _by_chance(edges, contours)


def best_shift(edges: Tensors, contours: Contours, reach: float = _REACH) -> Shift:
    """Return the shift of a mask with which it fits best.

    Args:
        edges: Of the image.
        contours: Of the mask, with contours.
        reach: Largest shift, as a fraction of the longer side.
    """
    height, width = edges.shape[1:]
    most = max(1, round(reach * max(height, width)))
    size = (height + most, width + most)
    weight = contours.tensors[0] + contours.tensors[2]
    matched = _correlate(np.ones((height, width), np.float32), weight, size)
    twice = np.array([1, 2, 1], np.float32)[:, None, None]
    found = sum(_correlate(edge, part, size) for edge, part in zip(edges, twice * contours.tensors, strict=True))
    scores = np.where(matched >= _INSIDE * contours.length, found / np.maximum(matched, 1e-6), -1)
    rows, columns = (np.arange(-most, most + 1) for _ in range(2))
    window = scores[np.ix_(rows % size[0], columns % size[1])] - _by_chance(edges, contours)
    row, column = (int(place) for place in np.unravel_index(int(window.argmax()), window.shape))
    best = float(window[row, column])
    window[max(0, row - _PEAK) : row + _PEAK + 1, max(0, column - _PEAK) : column + _PEAK + 1] = -1
    return Shift(int(rows[row]), int(columns[column]), best, best - float(window.max()))


# The seven ways to turn and mirror a mask, in words, and the four that keep the size of an oblong one.
TURNS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "turned by 180 degrees": lambda mask: np.rot90(mask, 2),
    "mirrored left to right": np.fliplr,
    "mirrored top to bottom": np.flipud,
    "turned by 90 degrees to the left": np.rot90,
    "turned by 90 degrees to the right": lambda mask: np.rot90(mask, 3),
    "transposed": lambda mask: mask.T,
    "transposed about the other diagonal": lambda mask: np.rot90(mask, 2).T,
}


def turned(mask: NDArray[np.uint8], turn: str) -> NDArray[np.uint8]:
    """Return a mask (H,W) turned in one of the ways of :data:`TURNS`."""
    return np.ascontiguousarray(TURNS[turn](mask))


def _products(plane: NDArray[Any]) -> Tensors:
    across = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=0.125)
    return np.stack([across * across, across * down, down * down])


def _sum(products: Tensors) -> float:
    """Return the sum of the inner products of symmetric tensors, of which each has xy twice."""
    return float(products[0].sum() + 2 * products[1].sum() + products[2].sum())


def _by_chance(edges: Tensors, contours: Contours) -> float:
    mean, normals = edges.mean(axis=(1, 2)), contours.tensors.sum(axis=(1, 2))
    return float(mean[0] * normals[0] + 2 * mean[1] * normals[1] + mean[2] * normals[2]) / contours.length


def _correlate(fixed: NDArray[np.float32], moved: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return, for every shift of ``moved``, the sum of its products with ``fixed``; negative ones at the end."""
    product = fft.rfft2(fixed, size) * np.conj(fft.rfft2(moved, size))
    return np.asarray(fft.irfft2(product, size), np.float32)
