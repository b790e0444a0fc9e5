"""Copies: training images that are added to the set, each a fixed change of an image that is there."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError


class Copy(Protocol):
    """A fixed change of an image with its mask: nothing about it is random.

    What else is known of the pixels (weights, instances) is moved by the same call, in the place of the mask.

    Attributes:
        name: Stands behind the image's id in that of the copy; unique among the copies of an augmentation.
    """

    name: str

    def __call__(self, image: NDArray[Any], mask: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the changed image (H,W,C) and mask (H,W), of the size and type that they came in.

        The mask is uint8, or whatever a plane in its place is (float32, int32).
        """


class QuarterTurns:
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

    def __call__(self, image: NDArray[Any], mask: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the turned image (H,W,C) and mask (H,W), both of any type.

        Raises:
            ConfigError: If the image is not square and would change its shape.
        """
        height, width = mask.shape
        if self.turns % 2 and height != width:
            raise ConfigError(
                f"augmentation.copies: an image of {height}x{width} would change its shape when {self.name} degrees; "
                "set data.size to a square"
            )
        turned = np.ascontiguousarray(np.rot90(image, self.turns))
        return turned, np.ascontiguousarray(np.rot90(mask, self.turns))
