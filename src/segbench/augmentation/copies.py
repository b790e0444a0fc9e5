"""Copies: images added to the training set, each a fixed transform of one of its images."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError


class Copy(Protocol):
    """A deterministic transform of an image and its mask.

    Further maps of the image (pixel weights, instances) are transformed by the same call, passed as the mask.

    Attributes:
        name: Appended to the image's id to give the copy's; unique within an augmentation.
    """

    name: str

    def __call__(self, image: NDArray[Any], mask: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the transformed image (H,W,C) and mask (H,W), of unchanged size and type.

        The mask is uint8; another map passed in its place may be float32 or int32.
        """


class QuarterTurns:
    """Rotates square images by quarter turns, without interpolation or loss.

    Args:
        degrees: A multiple of 90, counter-clockwise; -90 is clockwise.

    Raises:
        ConfigError: If the angle is not a multiple of 90, or is a multiple of 360.
    """

    def __init__(self, degrees: int) -> None:
        if degrees % 90 or not degrees % 360:
            raise ConfigError(f"augmentation.copies: degrees={degrees} must be a multiple of 90, but not of 360")
        self.turns = degrees // 90
        self.name = f"turned {degrees}"

    def __call__(self, image: NDArray[Any], mask: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the rotated image (H,W,C) and mask (H,W), both of any type.

        Raises:
            ConfigError: If the image is not square and the rotation would change its shape.
        """
        height, width = mask.shape
        if self.turns % 2 and height != width:
            raise ConfigError(
                f"augmentation.copies: an image of {height}x{width} would change its shape when {self.name} degrees; "
                "set data.size to a square"
            )
        rotated = np.ascontiguousarray(np.rot90(image, self.turns))
        return rotated, np.ascontiguousarray(np.rot90(mask, self.turns))
