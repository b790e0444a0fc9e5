"""Losses for imbalanced classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from segbench.labels import IGNORE_INDEX
from segbench.losses.base import SegmentationLoss, weighted_mean
from segbench.losses.class_factors import check_class_factors, class_factors, softmax_logits


class WeightedCrossEntropy(SegmentationLoss):
    """Cross entropy with classes weighted by the effective number of their training pixels.

        w_c = (1 - beta) / (1 - beta^n_c),  scaled so that the weights of all K classes sum to K
        loss = sum(-w_t log p_t) / (number of pixels not ignored)

    with n_c the pixels of class c in the training set: Cui et al., "Class-Balanced Loss Based on Effective Number of
    Samples", CVPR 2019 (arXiv 1901.05555), equations 6 and 11. beta = 0 is plain cross entropy; beta towards 1
    approaches inverse class frequencies. A class has hundreds of thousands of pixels, so only a beta very near 1
    weights classes differently. A class without training pixels gets the weight of the rarest class that has some, or
    it would set the scale of all others.

    Args:
        beta: In [0, 1).

    Raises:
        ValueError: If ``beta`` is outside [0, 1).
    """

    class_weights: Tensor

    def __init__(self, beta: float = 0.99999) -> None:
        super().__init__()
        if not 0 <= beta < 1:
            raise ValueError(f"loss.beta={beta}: must be at least 0 and below 1")
        self.beta = beta
        self.register_buffer("class_weights", torch.empty(0), persistent=False)

    def check(self, out_channels: int) -> None:
        """Reject a single logit.

        Raises:
            ValueError: If ``out_channels`` is 1.
        """
        if out_channels < 2:
            raise ValueError(
                "loss: weighted cross entropy needs one logit per class; use loss=bce or activation=softmax"
            )

    def prepare(self, class_pixels: Tensor) -> None:
        """Compute the class weights."""
        present = class_pixels > 0
        rarest = int(class_pixels[present].min()) if present.any() else 1
        pixels = class_pixels.double().clamp(min=rarest)
        # 1 - beta^n without cancellation, for beta near 1.
        effective = -torch.expm1(pixels * torch.log(torch.tensor(self.beta, dtype=torch.float64)))
        weights = (1 - self.beta) / effective
        self.class_weights = (weights / weights.sum() * len(weights)).float().to(self.class_weights.device)

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss; call :meth:`prepare` first."""
        values = functional.cross_entropy(
            logits, target, self.class_weights, ignore_index=IGNORE_INDEX, reduction="none"
        )
        return weighted_mean(values, target, weight)


class FocalLoss(SegmentationLoss):
    """Focal loss of the true class, -alpha (1 - p_t)^gamma log p_t, averaged over the pixels not ignored.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017 (arXiv 1708.02002), equation 5. p_t is the softmax of
    all K logits (not K sigmoids), for K = 1 the sigmoid; the mean is over pixels, not over classes, so gamma = 0 and
    alpha = 1 give cross entropy. For overlapping classes p_t is the class's sigmoid inside it and 1 minus that outside,
    and the mean is over pixels and classes. In nats, 0 or more.

    Args:
        gamma: Focusing parameter: how strongly confident pixels are down-weighted; 0 or more.
        alpha: One factor for all classes, or one for each; for a sigmoid two, outside and inside its class.

    Raises:
        ValueError: If ``gamma`` or ``alpha`` is negative or not finite.
    """

    tasks = ("segmentation", "multilabel")
    alpha: Tensor

    def __init__(self, gamma: float = 2.0, alpha: float | Sequence[float] = 1.0) -> None:
        super().__init__()
        if not 0 <= gamma < math.inf:
            raise ValueError(f"loss.gamma={gamma}: must be at least 0 and finite")
        self.gamma = gamma
        self.register_buffer("alpha", class_factors("alpha", alpha), persistent=False)

    def check(self, out_channels: int) -> None:
        """Check the number of factors.

        Raises:
            ValueError: If there is neither one factor nor one per class.
        """
        check_class_factors("alpha", self.alpha, out_channels)

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss."""
        logits = softmax_logits(logits)
        index = target.where(target != IGNORE_INDEX, 0)
        log_p = -functional.cross_entropy(logits, index, reduction="none")
        # Kept away from 0, where a power below 1 has an infinite slope.
        missing = (-torch.expm1(log_p)).clamp(min=1e-6)
        factor = self.alpha[index] if len(self.alpha) > 1 else self.alpha
        return weighted_mean(-factor * missing**self.gamma * log_p, target, weight)
