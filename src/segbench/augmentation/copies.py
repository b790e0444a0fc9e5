"""Copies: training images that are added to the set, each a fixed change of an image that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError

# An image (H,W,C), its mask uint8 (H,W), and by name the planes (H,W) that belong to its pixels.
Moved = tuple[NDArray[Any], NDArray[np.uint8], dict[str, NDArray[Any]]]


class Copy(Protocol):
    """A fixed change of an image with its mask: nothing about it is random. A subclass writes :meth:`move`.

    Attributes:
        name: Stands behind the image's id in that of the copy; unique among the copies of an augmentation.
    """

    name: str

    def move(self, image: NDArray[Any], mask: NDArray[np.uint8], planes: Mapping[str, NDArray[Any]]) -> Moved:
        """Return the changed image (H,W,C), mask uint8 (H,W) and planes (H,W), of the size and types they came in.

        Planes (weights, instances) must go where the pixels of the mask go.
        """

    def __call__(self, image: NDArray[Any], mask: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the changed image and mask: :meth:`move` without planes."""
        image, mask, _ = self.move(image, mask, {})
        return image, mask


class QuarterTurns(Copy):
    """Turns square images by quarter turns, which interpolate nothing and lose nothing.

    Args:
        degrees: A multiple of 90, counter-clockwise; -90 is clockwise.

    Raises:
        ConfigError: For another angle, or one that changes nothing.
    """

    def __init__(self, degrees: int) -> None:
        if degrees % 90 or not degrees % 360:
            raise ConfigError(f"augmentation.copies: degrees={degrees} must be a multiple of 90 that turns the image")
        self.turns = degrees // 90
        self.name = f"turned {degrees}"

    def move(self, image: NDArray[Any], mask: NDArray[np.uint8], planes: Mapping[str, NDArray[Any]]) -> Moved:
        """Return the turned image (H,W,C), mask (H,W) and planes (H,W).

        Raises:
            ConfigError: If the image is not square and would change its shape.
        """
        height, width = mask.shape
        if self.turns % 2 and height != width:
            raise ConfigError(
                f"augmentation.copies: an image of {height}x{width} would change its shape when {self.name} degrees; "
                "set data.size to a square"
            )
        return self._turned(image), self._turned(mask), {name: self._turned(plane) for name, plane in planes.items()}

    def _turned(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(np.rot90(array, self.turns))
