"""Generalised Dice loss."""

from __future__ import annotations

import math

from torch import Tensor

from segbench.losses.regions import RegionLoss, regions
from segbench.processes import mean


class GeneralisedDiceLoss(RegionLoss):
    """One minus the generalised soft Dice coefficient, of all classes of an image together, averaged over images.

    With probabilities p, one-hot truth t and sums over the pixels of one image that are not ignored:

        w_c = (r / sum(t_c))^2,  r the smallest sum(t_c) of a class that the image has
        loss = 1 - (2 sum_c w_c sum(p_c t_c) + smooth) / (sum_c w_c (sum(p_c) + sum(t_c)) + smooth)

    Sudre et al., "Generalised Dice Overlap as a Deep Learning Loss Function for Highly Unbalanced Segmentations", DLMIA
    2017 (arXiv 1707.03237), section 2, with additive smoothing. There w_c is 1 / sum(t_c)^2; the factor r^2, the same
    for all classes of an image, makes smooth a number of pixels of the rarest class. In [0, 1].

    A class that an image lacks has the weight of its rarest one, 1, so that predicting it costs something; without any
    class all have. An image whose pixels are all ignored contributes 0. Overlapping classes are an image each, of which
    this is the Dice loss.

    Args:
        smooth: Added to numerator and denominator, in pixels of the rarest class; positive and finite.
        include_background: Whether class 0 counts (K > 1 only).

    Raises:
        ValueError: If ``smooth`` is not positive and finite.
    """

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss; ``weight`` multiplies every pixel of all sums."""
        overlap, predicted, true = regions(logits, target, weight, self.include_background).sums()
        rarest = true.where(true > 0, math.inf).amin(dim=1, keepdim=True)
        # Of an image without any class inf / inf is not taken.
        balance = (rarest / true).square().where(true > 0, 1.0)
        total = (balance * (predicted + true)).sum(dim=1)
        return mean(1 - (2 * (balance * overlap).sum(dim=1) + self.smooth) / (total + self.smooth))
