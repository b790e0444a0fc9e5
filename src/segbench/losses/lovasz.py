"""The Lovász extension of the Jaccard loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from segbench.labels import IGNORE_INDEX
from segbench.losses.base import SegmentationLoss
from segbench.processes import mean

# Pixels are counted in whole parts of this size: sums of integers are the same in any order, on any device.
_PARTS = 2**20


class LovaszLoss(SegmentationLoss):
    """Lovász-softmax, or Lovász hinge for one logit: the convex extension of the Jaccard loss, averaged over images.

    For one class of one image, with errors m sorted to decrease and J(i) the Jaccard loss 1 - IoU of a prediction that
    is wrong at the first i pixels and nowhere else,

        loss = sum_i m_i (J(i) - J(i - 1))

    Berman, Rannen Triki and Blaschko, "The Lovász-Softmax Loss: A Tractable Surrogate for the Optimization of the
    Intersection-Over-Union Measure in Neural Networks", CVPR 2018 (arXiv 1705.08790). For K > 1 m = |t - p| with
    softmax p, averaged over the classes that the image has (or all K), in [0, 1]. For one logit f, and for overlapping
    classes, m = max(0, 1 - f (2 t - 1)), the hinge, 0 or more without a bound. Both are taken by image, as the authors'
    ``per_image``, so that they do not depend on the batch.

    Without foreground J is 1 as soon as any pixel is wrong, so the loss is the largest error alone. An image whose
    pixels are all ignored contributes 0.

    Args:
        only_present: Whether the mean is over the classes that an image has, as in the paper, or over all (K > 1 only).
    """

    tasks = ("segmentation", "multilabel")

    def __init__(self, only_present: bool = True) -> None:
        super().__init__()
        self.only_present = only_present

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss; a pixel counts in J as often as ``weight`` says, to the 20th binary digit."""
        valid = target != IGNORE_INDEX
        index = target.where(valid, 0)
        if logits.shape[1] == 1:
            truth = index.unsqueeze(1)
            errors = functional.relu(1 - logits * (2 * truth - 1))
        else:
            truth = functional.one_hot(index, logits.shape[1]).movedim(-1, 1)
            errors = (truth - logits.softmax(dim=1)).abs()
        parts = valid.long() * _PARTS if weight is None else (valid * weight * _PARTS).round().long()
        parts = parts.unsqueeze(1)
        # What counts nowhere sorts last, and a J that stays as it is gives it no slope.
        errors = errors.where(parts > 0, 0.0).flatten(2)
        slopes = _slopes(errors.detach(), truth.flatten(2), parts.flatten(2))
        losses = (errors * slopes).sum(dim=2)
        if logits.shape[1] == 1 or not self.only_present:
            return mean(losses)
        present = (truth * parts).flatten(2).sum(dim=2) > 0
        return mean((losses * present).sum(dim=1) / present.sum(dim=1).clamp(min=1))


def _slopes(errors: Tensor, truth: Tensor, parts: Tensor) -> Tensor:
    """Return what J grows by at each pixel, in order of decreasing errors; all are (B,C,N), and so is it.

    Args:
        errors: float32, 0 or more.
        truth: int64, 0 or 1.
        parts: int64 (B,1,N), how much a pixel counts.
    """
    order = errors.argsort(dim=2, descending=True, stable=True)
    inside = (truth * parts).gather(2, order)
    outside = ((1 - truth) * parts).gather(2, order)
    # Wrong pixels inside leave the intersection, those outside enter the union.
    total = inside.sum(dim=2, keepdim=True)
    intersection, union = total - inside.cumsum(dim=2), total + outside.cumsum(dim=2)
    before = union - outside
    # Ratios of counts, of which no differences are taken: nothing cancels in float32.
    share = (intersection / before.clamp(min=1)).where(before > 0, 1.0)
    growth = (inside + outside * share) / union.clamp(min=1)
    return torch.zeros_like(errors).scatter(2, order, growth)
