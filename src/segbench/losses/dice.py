"""Soft Dice loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from segbench.labels import IGNORE_INDEX
from segbench.losses.base import SegmentationLoss
from segbench.processes import mean


class DiceLoss(SegmentationLoss):
    """One minus the soft Dice coefficient, computed per image and class, then averaged.

    With probabilities p, one-hot truth t and sums over the pixels of one image that are not ignored:

        loss = 1 - (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth)

    The unsquared form of Milletari et al., "V-Net", 3DV 2016 (arXiv 1606.04797), section 3, with additive
    smoothing. The value lies in [0, 1]. For K > 1 background is a class like the others: without it nothing penalises
    a class that floods images in which it is absent.

    A class that is absent from an image's truth stays in the mean: its loss is sum(p) / (sum(p) + smooth), and 0 if
    none of it is predicted. Its gradient removes false positives, but fades as 1 / sum(p)^2. An image whose pixels are
    all ignored contributes 0. For overlapping classes p is each class's sigmoid, and there is no background.

    Args:
        smooth: Added to numerator and denominator, in pixels; must be positive and finite.
        include_background: Whether class 0 counts (K > 1 only).

    Raises:
        ValueError: If ``smooth`` is not positive and finite.
    """

    tasks = ("segmentation", "multilabel")

    def __init__(self, smooth: float = 1.0, include_background: bool = True) -> None:
        super().__init__()
        if not 0 < smooth < math.inf:
            raise ValueError(f"loss.smooth={smooth}: must be positive and finite")
        self.smooth = smooth
        self.include_background = include_background

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss; ``weight`` multiplies every pixel of all three sums."""
        valid = target != IGNORE_INDEX
        index = target.where(valid, 0)
        if logits.shape[1] == 1:
            probabilities, truth = logits.sigmoid(), index.unsqueeze(1).float()
        else:
            probabilities = logits.softmax(dim=1)
            truth = functional.one_hot(index, logits.shape[1]).movedim(-1, 1).float()
            if not self.include_background:
                probabilities, truth = probabilities[:, 1:], truth[:, 1:]
        mask = valid.unsqueeze(1)
        factor = mask.float() if weight is None else mask * weight.unsqueeze(1)
        probabilities = torch.where(mask, probabilities, 0.0) * factor
        truth = truth * factor
        overlap = (probabilities * truth if weight is None else probabilities * (truth > 0)).sum(dim=(2, 3))
        total = probabilities.sum(dim=(2, 3)) + truth.sum(dim=(2, 3))
        return mean(1 - (2 * overlap + self.smooth) / (total + self.smooth))
