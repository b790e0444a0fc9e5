"""Random scaling: enlarged and cropped, or shrunk and padded."""

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
from segbench.labels import IGNORE_INDEX


class ScaleCrop(albumentations.DualTransform):
    """Scales the image by a random factor and crops or pads it to its own size at a random position.

    The factor s is log-uniform, so s and 1/s are equally likely. For s above 1, a window of 1/s of height and width at
    a uniformly drawn position is enlarged to the full size; below 1, the image is shrunk and placed at a uniformly
    drawn position. Images are enlarged bilinearly and shrunk by area averaging; the mask and other maps take the
    nearest pixel. Pixels from outside the image are 0, in the mask label 255.

    albumentations' ``RandomScale`` and crops do the same for a size given in the configuration; here the size is the
    image's, for any data set.

    Args:
        scale: The range [low, high] of the factor, above 0.
        p: Probability of applying the transform to a sample.

    Raises:
        ConfigError: If ``scale`` is not a range of positive numbers, or ``p`` is not in [0,1].
    """

    _targets = (Targets.IMAGE, Targets.MASK)

    def __init__(self, scale: Sequence[float] = (0.5, 2.0), p: float = 1.0) -> None:
        check_probability("ScaleCrop", p)
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] < math.inf:
            raise ConfigError(f"augmentation: ScaleCrop: scale={list(scale)} must be [low, high] with 0 < low <= high")
        super().__init__(p=p)
        self.scale = (float(scale[0]), float(scale[1]))

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw the factor, then the position; return the source window and the target window that it fills."""
        factor = math.exp(self.py_random.uniform(math.log(self.scale[0]), math.log(self.scale[1])))
        positions = (self.py_random.random(), self.py_random.random())
        source, target = [], []
        for side, position in zip(params["shape"][:2], positions, strict=True):
            taken = max(round(side / max(factor, 1)), 1)
            filled = max(round(side * min(factor, 1)), 1)
            source.append((first := round(position * (side - taken)), first + taken))
            target.append((first := round(position * (side - filled)), first + filled))
        return {"source": tuple(source), "target": tuple(target)}

    def apply(self, img: NDArray[Any], *, source: Any, target: Any, **params: Any) -> NDArray[Any]:
        """Return the scaled image (H,W,C)."""
        (top, bottom), (left, right) = source
        size = (target[0][1] - target[0][0], target[1][1] - target[1][0])
        shrinks = size[0] * size[1] < (bottom - top) * (right - left)
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        window = img[top:bottom, left:right]
        # One channel at a time: OpenCV 5 rejects more than 4.
        channels = [np.ascontiguousarray(window[..., channel]) for channel in range(img.shape[2])]
        scaled = np.stack([cv2.resize(channel, size[::-1], interpolation=method) for channel in channels], axis=-1)
        return _placed(scaled, img, target, 0)

    def apply_to_mask(self, mask: NDArray[Any], *, source: Any, target: Any, **params: Any) -> NDArray[Any]:
        """Return the scaled mask (H,W)."""
        rows, columns = (_nearest(taken, filled[1] - filled[0]) for taken, filled in zip(source, target, strict=True))
        return _placed(mask[rows[:, None], columns], mask, target, IGNORE_INDEX)


def _nearest(window: tuple[int, int], count: int) -> NDArray[np.intp]:
    """Return the indices of the pixels nearest to the centres of ``count`` equal parts of a window (start, stop)."""
    start, stop = window
    return start + ((np.arange(count) + 0.5) * (stop - start) / count).astype(np.intp)


def _placed(part: NDArray[Any], whole: NDArray[Any], target: Any, outside: int) -> NDArray[Any]:
    """Return an array shaped like ``whole`` with ``part`` in the target window and one value elsewhere."""
    result = np.full_like(whole, outside)
    (top, bottom), (left, right) = target
    result[top:bottom, left:right] = part
    return result
