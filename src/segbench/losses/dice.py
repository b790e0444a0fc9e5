"""Soft Dice loss."""

from __future__ import annotations

from torch import Tensor

from segbench.losses.regions import RegionLoss, regions
from segbench.processes import mean


class DiceLoss(RegionLoss):
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

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss; ``weight`` multiplies every pixel of all three sums."""
        overlap, predicted, true = regions(logits, target, weight, self.include_background).sums()
        return mean(1 - (2 * overlap + self.smooth) / (predicted + true + self.smooth))
