"""Scaling about a random place: larger and cropped, or smaller and on empty ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import albumentations
import cv2
import numpy as np
from albumentations.core.type_definitions import Targets
from numpy.typing import NDArray

from segbench.augmentation.checks import check_probability
from segbench.errors import ConfigError


class ScaleCrop(albumentations.DualTransform):
    """Scales the image by a random factor and takes a random crop of the image's own size.

    The factor is drawn so that s and 1/s are as likely (its logarithm is uniform). For s above 1 a window of 1/s of
    height and width, at a place drawn uniformly, is enlarged to the whole; below 1 the image is made smaller and stands
    at a place drawn uniformly. Images are enlarged bilinearly and made smaller by the mean over the area; masks and
    planes take the nearest pixel; what is outside is 0, in the mask label 255.

    albumentations' ``RandomScale`` and crops do the same for a size that is written into the configuration; here it is
    the image's, whichever data set it comes from.

    Args:
        scale: The range [low, high] of the factor, above 0.
        p: The probability with which it happens to a sample.

    Raises:
        ConfigError: For a range that is none or not above 0, or no probability.
    """

    _targets = (Targets.IMAGE, Targets.MASK)

    def __init__(self, scale: Sequence[float] = (0.5, 2.0), p: float = 1.0) -> None:
        check_probability("ScaleCrop", p)
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] < math.inf:
            raise ConfigError(f"augmentation: ScaleCrop: scale={list(scale)} must be [low, high] with 0 < low <= high")
        super().__init__(p=p)
        self.scale = (float(scale[0]), float(scale[1]))

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw the factor, then the place; return the window that is taken and the window that it fills."""
        factor = math.exp(self.py_random.uniform(math.log(self.scale[0]), math.log(self.scale[1])))
        places = (self.py_random.random(), self.py_random.random())
        taken, filled = [], []
        for side, place in zip(params["shape"][:2], places, strict=True):
            source = max(round(side / max(factor, 1)), 1)
            target = max(round(side * min(factor, 1)), 1)
            taken.append((first := round(place * (side - source)), first + source))
            filled.append((first := round(place * (side - target)), first + target))
        return {"taken": tuple(taken), "filled": tuple(filled)}

    def apply(self, img: NDArray[Any], *, taken: Any, filled: Any, **params: Any) -> NDArray[Any]:
        """Return the scaled image (H,W,C)."""
        (top, bottom), (left, right) = taken
        size = (filled[0][1] - filled[0][0], filled[1][1] - filled[1][0])
        shrinks = size[0] * size[1] < (bottom - top) * (right - left)
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        window = img[top:bottom, left:right]
        # One channel at a time: more than 4 together OpenCV 5 refuses.
        channels = [np.ascontiguousarray(window[..., channel]) for channel in range(img.shape[2])]
        scaled = np.stack([cv2.resize(channel, size[::-1], interpolation=method) for channel in channels], axis=-1)
        return _placed(scaled, img, filled, 0)

    def apply_to_mask(self, mask: NDArray[Any], *, taken: Any, filled: Any, **params: Any) -> NDArray[Any]:
        """Return the scaled mask (H,W)."""
        rows, columns = (_nearest(source, target[1] - target[0]) for source, target in zip(taken, filled, strict=True))
        return _placed(mask[rows[:, None], columns], mask, filled, 255)


def _nearest(window: tuple[int, int], count: int) -> NDArray[np.intp]:
    """Return the places of the pixels nearest to the centres of ``count`` equal parts of a window (start, stop)."""
    start, stop = window
    return start + ((np.arange(count) + 0.5) * (stop - start) / count).astype(np.intp)


def _placed(part: NDArray[Any], whole: NDArray[Any], filled: Any, outside: int) -> NDArray[Any]:
    """Return an array like the whole that holds the part in a window and one value elsewhere."""
    result = np.full_like(whole, outside)
    (top, bottom), (left, right) = filled
    result[top:bottom, left:right] = part
    return result
