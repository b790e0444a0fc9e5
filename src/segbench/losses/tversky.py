"""Tversky losses, which weigh false positives and false negatives differently."""

from __future__ import annotations

import math

from torch import Tensor

from segbench.losses.regions import RegionLoss, regions
from segbench.processes import mean

# Below it a power is continued linearly, as one below 1 has an infinite slope at 0.
_LINEAR = 1e-6


class TverskyLoss(RegionLoss):
    """One minus the soft Tversky index, computed per image and class, then averaged.

    With probabilities p, one-hot truth t and sums over the pixels of one image that are not ignored:

        TI = (sum(p t) + smooth) / (sum(p t) + alpha sum(p (1 - t)) + beta sum((1 - p) t) + smooth)
        loss = 1 - TI

    Salehi, Erdogmus and Gholipour, "Tversky Loss Function for Image Segmentation Using 3D Fully Convolutional Deep
    Networks", MLMI 2017 (arXiv 1706.05721), with additive smoothing. alpha = beta = 1/2 is the Dice
    loss with twice the smoothing, alpha = beta = 1 the Jaccard loss; beta above alpha favours recall. In [0, 1].

    A class that is absent from an image stays in the mean, as in :class:`segbench.losses.DiceLoss`; an image whose
    pixels are all ignored contributes 0. For overlapping classes p is each class's sigmoid.

    Args:
        alpha: Weight of false positives, 0 or more.
        beta: Weight of false negatives, 0 or more; one of both positive.
        smooth: Added to numerator and denominator, in pixels; positive and finite.
        include_background: Whether class 0 counts (K > 1 only).

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self, alpha: float = 0.3, beta: float = 0.7, smooth: float = 1.0, include_background: bool = True
    ) -> None:
        super().__init__(smooth, include_background)
        if not (min(alpha, beta) >= 0 and 0 < alpha + beta < math.inf):
            raise ValueError(
                f"loss.alpha={alpha}, loss.beta={beta}: must be at least 0 and finite, and one of them positive"
            )
        self.alpha, self.beta = alpha, beta

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss; ``weight`` multiplies every pixel of all sums."""
        overlap, predicted, true = regions(logits, target, weight, self.include_background).sums()
        wrong = self.alpha * (predicted - overlap) + self.beta * (true - overlap)
        # Not one minus the index, of which nothing is left where it is nearly 1.
        return mean(self.power(wrong / (overlap + wrong + self.smooth)))

    def power(self, missing: Tensor) -> Tensor:
        """Return what becomes of 1 - TI of each image and class (B,C)."""
        return missing


class FocalTverskyLoss(TverskyLoss):
    """A power of one minus the soft Tversky index, (1 - TI)^(1 / gamma), computed per image and class, then averaged.

    Abraham and Khan, "A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion Segmentation", ISBI
    2019 (arXiv 1810.07842); their alpha is the weight of false negatives, so ours are the paper's values.
    gamma above 1, of which they recommend 4/3, gives more slope to images and classes that are nearly right; below 1 to
    those that are far from it. gamma = 1 is :class:`TverskyLoss`. In [0, 1].

    Args:
        gamma: Positive and finite. Libraries that raise to the power gamma itself call 0.75 what is 4/3 here.
        alpha: See :class:`TverskyLoss`.
        beta: See :class:`TverskyLoss`.
        smooth: See :class:`TverskyLoss`.
        include_background: See :class:`TverskyLoss`.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        gamma: float = 4 / 3,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1.0,
        include_background: bool = True,
    ) -> None:
        super().__init__(alpha, beta, smooth, include_background)
        if not 0 < gamma < math.inf:
            raise ValueError(f"loss.gamma={gamma}: must be positive and finite")
        self.gamma = gamma

    def power(self, missing: Tensor) -> Tensor:
        """Return (1 - TI)^(1 / gamma)."""
        exponent = 1 / self.gamma
        near = missing * _LINEAR ** (exponent - 1)
        return (missing.clamp(min=_LINEAR) ** exponent).where(missing > _LINEAR, near)
