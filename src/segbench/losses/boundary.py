"""The U-Net's weighted cross entropy, with larger weights for pixels between neighbouring objects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segbench.errors import ConfigError
from segbench.labels import IGNORE_INDEX
from segbench.losses.base import SegmentationLoss, weighted_mean
from segbench.losses.distances import two_nearest


class BoundaryCrossEntropy(SegmentationLoss):
    """Softmax cross entropy with pixels weighted by their class and by their distance to the two nearest objects.

        w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))
        loss = sum(-w log p_t) / (number of pixels not ignored)

    Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015 (arXiv
    1505.04597), equations 1 and 2. d1 and d2 are the distances to the nearest and the second nearest object in pixels
    of the stored mask. The border term is added at every pixel, also inside objects, where d1 = 0 and it extends inward
    from an edge that faces a neighbour. It is 0 in an image with fewer than two objects.

    w_c = 1 / (K f_c), with f_c the fraction of the image's pixels not ignored that have class c, and K the number of
    classes in the image. So the weights of every class have the same sum, and their mean over the pixels is 1: without
    the border term the loss has the scale of plain cross entropy, and w0 is in units of an average pixel's weight, as
    in the paper, whatever the class frequencies. (With a mean of 1 over the classes instead, a background of 94 % would
    weigh 0.03, and its border pixels 300 times that.) A class that is absent from an image has weight 0 there.

    The mean divides by the number of pixels, not by the sum of weights, so an image with crowded objects counts more
    than one with few. In nats, 0 or more.

    Args:
        w0: Border weight where two objects touch, relative to an average pixel; 0 or more. With 0 only the class
            weights remain.
        sigma: Width of the border term in pixels; above 0.

    Raises:
        ValueError: If ``w0`` or ``sigma`` is out of range or not finite.
    """

    def __init__(self, w0: float = 10.0, sigma: float = 5.0) -> None:
        super().__init__()
        if not 0 <= w0 < math.inf:
            raise ValueError(f"loss.w0={w0}: must be at least 0 and finite")
        if not 0 < sigma < math.inf:
            raise ValueError(f"loss.sigma={sigma}: must be above 0 and finite")
        self.w0 = w0
        self.sigma = sigma

    def check(self, out_channels: int) -> None:
        """Reject a single logit.

        Raises:
            ValueError: If ``out_channels`` is 1.
        """
        if out_channels < 2:
            raise ValueError("loss: boundary cross entropy needs one logit per class; use activation=softmax")

    def weight_settings(self) -> dict[str, Any]:
        """Return the settings that determine the pixel weights."""
        return {"boundary": {"w0": self.w0, "sigma": self.sigma}}

    def pixel_weights(self, mask: NDArray[np.uint8], instances: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the weight of each pixel.

        Args:
            mask: Class of each pixel (H,W), or 255 (ignored).
            instances: Object number of each pixel (H,W), 0 for none.

        Returns:
            float32 (H,W), finite and 0 or more; an ignored pixel has only the border term, which no loss uses.

        Raises:
            ValueError: If the shapes differ, or ``instances`` are not integers that are 0 or more.
        """
        if mask.shape != instances.shape:
            raise ValueError(f"instances: {instances.shape}, but the mask is {mask.shape}")
        pixels = np.bincount(mask.ravel(), minlength=256)
        pixels[IGNORE_INDEX] = 0
        present = pixels > 0
        of_class = np.zeros(256)
        of_class[present] = pixels.sum() / (present.sum() * pixels[present])
        near = np.zeros(mask.shape)
        if self.w0:
            first, second = two_nearest(instances)
            near = np.exp(-np.square(first.astype(np.float64) + second) / (2 * self.sigma**2))
        return (of_class[mask] + self.w0 * near).astype(np.float32)

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss.

        Raises:
            ConfigError: If the images have no pixel weights.
        """
        if weight is None:
            raise ConfigError("loss: boundary cross entropy needs pixel weights, which this data lacks; use loss=ce")
        values = functional.cross_entropy(logits, target, ignore_index=IGNORE_INDEX, reduction="none")
        return weighted_mean(values, target, weight)
