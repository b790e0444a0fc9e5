"""Weighted sums of two losses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from segbench.losses.base import SegmentationLoss
from segbench.losses.boundary_distance import BoundaryLoss
from segbench.losses.class_balance import FocalLoss, WeightedCrossEntropy
from segbench.losses.cross_entropy import BinaryCrossEntropy, CrossEntropy
from segbench.losses.dice import DiceLoss


class _WithDice(SegmentationLoss):
    """weight * other + dice_weight * Dice."""

    def __init__(
        self, other: SegmentationLoss, weight: float, dice_weight: float, smooth: float, include_background: bool
    ) -> None:
        super().__init__()
        if min(weight, dice_weight) < 0 or not 0 < weight + dice_weight < math.inf:
            raise ValueError("loss: both weights must be at least 0 and finite, and one of them positive")
        self.other, self.dice = other, DiceLoss(smooth, include_background)
        self.weight, self.dice_weight = weight, dice_weight

    def check(self, out_channels: int) -> None:
        """Reject what the other loss rejects."""
        self.other.check(out_channels)

    def prepare(self, class_pixels: Tensor) -> None:
        """Pass the class frequencies on."""
        self.other.prepare(class_pixels)

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the sum."""
        other = self.other.compute(logits, target, weight)
        return self.weight * other + self.dice_weight * self.dice.compute(logits, target, weight)


class BCEDice(_WithDice):
    """bce_weight * :class:`BinaryCrossEntropy` + dice_weight * :class:`DiceLoss`, for one logit, or one per class.

    Args:
        bce_weight: Factor of the cross entropy.
        dice_weight: Factor of the Dice loss.
        smooth: See :class:`DiceLoss`.

    Raises:
        ValueError: If a factor is negative or not finite, or both are 0.
    """

    tasks = ("segmentation", "multilabel")

    def __init__(self, bce_weight: float = 1.0, dice_weight: float = 1.0, smooth: float = 1.0) -> None:
        super().__init__(BinaryCrossEntropy(), bce_weight, dice_weight, smooth, include_background=False)


class CEDice(_WithDice):
    """ce_weight * :class:`CrossEntropy` + dice_weight * :class:`DiceLoss`, for a softmax.

    Args:
        ce_weight: Factor of the cross entropy.
        dice_weight: Factor of the Dice loss.
        smooth: See :class:`DiceLoss`.
        include_background: See :class:`DiceLoss`.

    Raises:
        ValueError: If a factor is negative or not finite, or both are 0.
    """

    def __init__(
        self, ce_weight: float = 1.0, dice_weight: float = 1.0, smooth: float = 1.0, include_background: bool = True
    ) -> None:
        super().__init__(CrossEntropy(), ce_weight, dice_weight, smooth, include_background)


class WeightedCEDice(_WithDice):
    """ce_weight * :class:`WeightedCrossEntropy` + dice_weight * :class:`DiceLoss`, for a softmax.

    Args:
        beta: See :class:`WeightedCrossEntropy`.
        ce_weight: Factor of the cross entropy.
        dice_weight: Factor of the Dice loss.
        smooth: See :class:`DiceLoss`.
        include_background: See :class:`DiceLoss`.

    Raises:
        ValueError: If a factor is negative or not finite, both are 0, or ``beta`` is outside [0, 1).
    """

    def __init__(
        self,
        beta: float = 0.99999,
        ce_weight: float = 1.0,
        dice_weight: float = 1.0,
        smooth: float = 1.0,
        include_background: bool = True,
    ) -> None:
        super().__init__(WeightedCrossEntropy(beta), ce_weight, dice_weight, smooth, include_background)


class DiceFocal(_WithDice):
    """focal_weight * :class:`FocalLoss` + dice_weight * :class:`DiceLoss`.

    Args:
        gamma: See :class:`FocalLoss`.
        alpha: See :class:`FocalLoss`.
        focal_weight: Factor of the focal loss.
        dice_weight: Factor of the Dice loss.
        smooth: See :class:`DiceLoss`.
        include_background: See :class:`DiceLoss`.

    Raises:
        ValueError: If a factor is negative or not finite, or both weights are 0.
    """

    tasks = ("segmentation", "multilabel")

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | Sequence[float] = 1.0,
        focal_weight: float = 1.0,
        dice_weight: float = 1.0,
        smooth: float = 1.0,
        include_background: bool = True,
    ) -> None:
        super().__init__(FocalLoss(gamma, alpha), focal_weight, dice_weight, smooth, include_background)


class DiceBoundary(_WithDice):
    """dice_weight * :class:`DiceLoss` + boundary_weight * :class:`BoundaryLoss`.

    The boundary loss is in pixels, so its weight is small, and smaller for larger images. Kervadec et al. begin with
    0.01 and add as much each epoch; here it is constant.

    Args:
        boundary_weight: Factor of the boundary loss.
        dice_weight: Factor of the Dice loss.
        smooth: See :class:`DiceLoss`.
        include_background: See :class:`DiceLoss`; the boundary loss is of foreground classes.

    Raises:
        ValueError: If a factor is negative or not finite, or both are 0.
    """

    tasks = ("segmentation", "multilabel")

    def __init__(
        self,
        boundary_weight: float = 0.01,
        dice_weight: float = 1.0,
        smooth: float = 1.0,
        include_background: bool = True,
    ) -> None:
        super().__init__(BoundaryLoss(), boundary_weight, dice_weight, smooth, include_background)
