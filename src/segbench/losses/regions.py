"""What losses of regions share: probabilities and truth of each class as soft sets of pixels, and smoothing."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from segbench.labels import IGNORE_INDEX
from segbench.losses.base import SegmentationLoss


class Regions(NamedTuple):
    """The predicted and the true region of each image and class (B,C,H,W), float32; C = 1 for a single logit.

    Attributes:
        probabilities: In [0, 1]; 0 where a pixel is ignored.
        truth: 0 or 1; 0 where a pixel is ignored.
        factor: What a pixel counts (B,1,H,W): its weight, by default 1; 0 where it is ignored.
    """

    probabilities: Tensor
    truth: Tensor
    factor: Tensor

    def sums(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the sums of probabilities times truth, of probabilities, and of truth, each (B,C), in pixels."""
        probabilities = self.probabilities * self.factor
        overlap = (probabilities * self.truth).sum(dim=(2, 3))
        return overlap, probabilities.sum(dim=(2, 3)), (self.truth * self.factor).sum(dim=(2, 3))


def regions(logits: Tensor, target: Tensor, weight: Tensor | None, include_background: bool) -> Regions:
    """Return the regions of all classes: by a sigmoid of one logit, or a softmax of several.

    Args:
        logits: float32 (B,K,H,W).
        target: int64 (B,H,W), class indices or 255.
        weight: Pixel weights (B,H,W), or None.
        include_background: Whether class 0 is among them (K > 1 only).
    """
    valid = target != IGNORE_INDEX
    index = target.where(valid, 0)
    if logits.shape[1] == 1:
        probabilities, truth = logits.sigmoid(), index.unsqueeze(1).float()
    else:
        probabilities = logits.softmax(dim=1)
        truth = functional.one_hot(index, logits.shape[1]).movedim(-1, 1).float()
        if not include_background:
            probabilities, truth = probabilities[:, 1:], truth[:, 1:]
    mask = valid.unsqueeze(1)
    factor = mask.float() if weight is None else mask * weight.unsqueeze(1)
    return Regions(torch.where(mask, probabilities, 0.0), truth * mask, factor)


class RegionLoss(SegmentationLoss):
    """A loss of regions with additive smoothing.

    Args:
        smooth: Added to numerator and denominator, in pixels; positive and finite.
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
