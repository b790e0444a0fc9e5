"""Factors of classes that a configuration gives, and logits that have one for each class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from segbench.losses.base import SegmentationLoss


def class_factors(key: str, factors: float | Sequence[float]) -> Tensor:
    """Return factors as float32 (1,) for all classes alike, or (C,).

    Args:
        key: Their key in the loss's section.
        factors: One number, or one per class.

    Raises:
        ValueError: If one is negative or not finite.
    """
    found = torch.tensor(list(factors) if isinstance(factors, Sequence) else [factors], dtype=torch.float32)
    if not ((found >= 0) & found.isfinite()).all():
        raise ValueError(f"loss.{key}={factors}: must be at least 0 and finite")
    return found


def check_class_factors(key: str, factors: Tensor, out_channels: int) -> None:
    """Check the number of factors; of a sigmoid two are outside and inside its class.

    Raises:
        ValueError: If there is neither one factor nor one per class.
    """
    classes = max(out_channels, 2)
    if len(factors) not in (1, classes):
        raise ValueError(f"loss.{key}: {len(factors)} factors for {classes} classes; give one number, or one per class")


def softmax_logits(logits: Tensor) -> Tensor:
    """Return logits (B,K,...) of a softmax, K at least 2: of one logit those of two classes, alike to its sigmoid."""
    return torch.cat((torch.zeros_like(logits), logits), dim=1) if logits.shape[1] == 1 else logits


class ClassWeightedLoss(SegmentationLoss):
    """A loss with a weight for each class, which is no state of a training.

    Args:
        class_weights: One number or one for each class; for a sigmoid two, outside and inside its class.

    Raises:
        ValueError: If one is negative or not finite.
    """

    class_weights: Tensor

    def __init__(self, class_weights: float | Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_factors("class_weights", class_weights), persistent=False)

    def check(self, out_channels: int) -> None:
        """Check the number of class weights.

        Raises:
            ValueError: If there is neither one nor one per class.
        """
        check_class_factors("class_weights", self.class_weights, out_channels)
