"""Weighted sums of two losses."""

from __future__ import annotations

from torch import Tensor

from segbench.losses.base import SegmentationLoss
from segbench.losses.cross_entropy import BinaryCrossEntropy, CrossEntropy
from segbench.losses.dice import DiceLoss


class _WithDice(SegmentationLoss):
    """weight * other + dice_weight * Dice."""

    def __init__(
        self, other: SegmentationLoss, weight: float, dice_weight: float, smooth: float, include_background: bool
    ) -> None:
        super().__init__()
        if weight < 0 or dice_weight < 0 or weight + dice_weight == 0:
            raise ValueError("loss: both weights must be at least 0 and one of them positive")
        self.other, self.dice = other, DiceLoss(smooth, include_background)
        self.weight, self.dice_weight = weight, dice_weight

    def check(self, out_channels: int) -> None:
        """Refuse what the cross entropy refuses."""
        self.other.check(out_channels)

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the sum."""
        cross_entropy = self.other.compute(logits, target, weight)
        return self.weight * cross_entropy + self.dice_weight * self.dice.compute(logits, target, weight)


class BCEDice(_WithDice):
    """bce_weight * :class:`BinaryCrossEntropy` + dice_weight * :class:`DiceLoss`, for one logit.

    Args:
        bce_weight: Factor of the cross entropy.
        dice_weight: Factor of the Dice loss.
        smooth: See :class:`DiceLoss`.

    Raises:
        ValueError: If a factor is negative or both are 0.
    """

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
        ValueError: If a factor is negative or both are 0.
    """

    def __init__(
        self, ce_weight: float = 1.0, dice_weight: float = 1.0, smooth: float = 1.0, include_background: bool = True
    ) -> None:
        super().__init__(CrossEntropy(), ce_weight, dice_weight, smooth, include_background)
