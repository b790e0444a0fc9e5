"""The cross entropy of the U-Net, which weighs the pixels between neighbouring objects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segbench.errors import ConfigError
from segbench.losses.base import SegmentationLoss, weighted_mean
from segbench.losses.distances import two_nearest
from segbench.masks import IGNORE


class BoundaryCrossEntropy(SegmentationLoss):
    """Cross entropy of a softmax whose pixels are weighted by their class and by how near they are to two objects.

        w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))
        loss = sum(-w log p_t) / (number of pixels not ignored)

    Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015 (arXiv
    1505.04597), equations 1 and 2. d1 and d2 are the distances to the nearest and the second nearest object in pixels
    of the stored mask. The second term is added at every pixel, also inside objects, where d1 = 0: there it reaches in
    from the edge that faces a neighbour. It is 0 in an image with less than two objects.

    w_c = 1 / (K f_c), with f_c the share of the class among the image's pixels that are not ignored and K the number of
    classes it has. So every class has the same sum of weights, and their mean over the pixels is 1: without the border
    term the loss has the scale of plain cross entropy, and w0 counts in weights of an average pixel, as in the paper,
    whichever the shares. (Scaled to a mean of 1 over the classes instead, a background of 94 % would weigh 0.03, and
    its border pixels 300 times that.) A class that an image lacks weighs nothing there.

    The mean divides by the pixels, not by their weights, so that an image with crowded objects counts more than
    one with few. In nats, 0 or more.

    Args:
        w0: Weight where two objects touch, over that of an average pixel; 0 or more. 0 leaves the class weights.
        sigma: How far it reaches, in pixels; above 0.

    Raises:
        ValueError: If ``w0`` or ``sigma`` is outside its range or not finite.
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
        """Refuse a single logit."""
        if out_channels < 2:
            raise ValueError("loss: boundary cross entropy needs a logit a class; use activation=softmax")

    def weight_settings(self) -> dict[str, Any]:
        """Return what shapes the weights."""
        return {"boundary": {"w0": self.w0, "sigma": self.sigma}}

    def pixel_weights(self, mask: NDArray[np.uint8], instances: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the weight of each pixel.

        Args:
            mask: Class of each pixel (H,W), or 255 to be ignored.
            instances: The object of each pixel (H,W), 0 for none.

        Returns:
            float32 (H,W), finite and 0 or more; an ignored pixel has the border term alone, which no loss will see.

        Raises:
            ValueError: If the shapes differ or the instances are not integers from 0.
        """
        if mask.shape != instances.shape:
            raise ValueError(f"instances: {instances.shape}, but the mask is {mask.shape}")
        pixels = np.bincount(mask.ravel(), minlength=256)
        pixels[IGNORE] = 0
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
            ConfigError: If no weights came with the images.
        """
        if weight is None:
            raise ConfigError(
                "loss: boundary cross entropy needs a weight for each pixel, this data gives none; loss=ce"
            )
        values = functional.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
        return weighted_mean(values, target, weight)
