"""Elastic deformation after Simard et al."""

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

# Standard deviations at which the Gaussian is truncated, as in scipy.ndimage.
_TRUNCATE = 4.0


class Elastic(albumentations.DualTransform):
    """Displaces every pixel by smoothed noise: out(x, y) = in(x + dx(x, y), y + dy(x, y)).

    dx = alpha * (u * G), where u is drawn uniformly from (-1,1) for each pixel and G is a Gaussian with standard
    deviation sigma and sum 1; dy likewise, from independent noise. The noise extends beyond the image, so no border
    has to be invented: displacements have a standard deviation of alpha / (sigma * sqrt(12 pi)) pixels everywhere,
    which for sigma 4 is alpha / 25. Images are interpolated bilinearly; the mask and other maps take the nearest pixel.
    Pixels from outside the image are 0, in the mask label 255.

    ``albumentations.ElasticTransform`` differs: its noise is Gaussian by default, and near the border dx and dy are
    mixed.

    Source: Simard, Steinkraus, Platt, "Best Practices for Convolutional Neural Networks Applied to Visual Document
    Analysis", 2003, section 2.

    Args:
        alpha: The range [low, high], in pixels, from which each sample's alpha is drawn uniformly.
        sigma: Standard deviation of the Gaussian in pixels.
        p: Probability of applying the transform to a sample.

    Raises:
        ConfigError: If ``alpha`` is not a range of numbers from 0, ``sigma`` is not above 0, or ``p`` is not in [0,1].
    """

    _targets = (Targets.IMAGE, Targets.MASK)

    def __init__(self, alpha: Sequence[float] = (0.0, 50.0), sigma: float = 4.0, p: float = 1.0) -> None:
        check_probability("Elastic", p)
        if len(alpha) != 2 or not 0 <= alpha[0] <= alpha[1] < math.inf:
            raise ConfigError(f"augmentation: Elastic: alpha={list(alpha)} must be [low, high] with 0 <= low <= high")
        if not 0 < sigma < math.inf:
            raise ConfigError(f"augmentation: Elastic: sigma={sigma} must be above 0")
        super().__init__(p=p)
        self.alpha, self.sigma = (float(alpha[0]), float(alpha[1])), float(sigma)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw alpha, the noise of dx, then that of dy; return the coordinates that pixels are sampled at."""
        height, width = params["shape"][:2]
        alpha = self.py_random.uniform(*self.alpha)
        margin = int(_TRUNCATE * self.sigma + 0.5)
        noise = self.random_generator.uniform(-1, 1, (2, height + 2 * margin, width + 2 * margin))
        dx, dy = (alpha * smoothed(field, self.sigma, margin) for field in noise.astype(np.float32))
        columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        return {"from_x": columns + dx, "from_y": rows[:, None] + dy}

    def apply(
        self, img: NDArray[Any], *, from_x: NDArray[np.float32], from_y: NDArray[np.float32], **params: Any
    ) -> NDArray[Any]:
        """Return the deformed image (H,W,C)."""
        # One channel at a time: with 2, or more than 4, OpenCV 5 rounds coordinates to 1/32 pixel.
        channels = [img[..., channel] for channel in range(img.shape[2])]
        return np.stack([_remapped(channel, from_x, from_y, cv2.INTER_LINEAR, 0) for channel in channels], axis=-1)

    def apply_to_mask(
        self, mask: NDArray[Any], *, from_x: NDArray[np.float32], from_y: NDArray[np.float32], **params: Any
    ) -> NDArray[Any]:
        """Return the deformed mask (H,W)."""
        return _remapped(mask, from_x, from_y, cv2.INTER_NEAREST, IGNORE_INDEX)


def _remapped(
    channel: NDArray[Any], from_x: NDArray[np.float32], from_y: NDArray[np.float32], interpolation: int, outside: int
) -> NDArray[Any]:
    return cv2.remap(channel, from_x, from_y, interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)


def smoothed(field: NDArray[np.float32], sigma: float, margin: int) -> NDArray[np.float32]:
    """Return a field (H+2m,W+2m) convolved with a Gaussian, without its margin: (H,W).

    Args:
        field: float32.
        sigma: Standard deviation in pixels.
        margin: m, the radius of the Gaussian in pixels, so that no pixel outside the field is needed.
    """
    size = 2 * margin + 1
    blurred = cv2.GaussianBlur(field, (size, size), sigma)
    inner = slice(margin, -margin or None)
    return np.asarray(blurred[inner, inner], np.float32)
