"""Cross entropy of the pixels that are hard."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from segbench.labels import IGNORE_INDEX
from segbench.losses.base import weighted_mean
from segbench.losses.class_factors import ClassWeightedLoss, softmax_logits


class OHEMCrossEntropy(ClassWeightedLoss):
    """Cross entropy, -w_t log p_t, averaged over the pixels whose true class has a low probability.

    Online hard example mining, for pixels: Wu, Shen and van den Hengel, "High-performance Semantic Segmentation Using
    Very Deep Fully Convolutional Networks", 2016 (arXiv 1604.04339), after Shrivastava et al., CVPR 2016.
    In each image the pixels with p_t below ``threshold`` count, and at least the fraction ``kept`` of its labelled
    pixels, those with the lowest p_t (and those that equal the last of them). It is chosen by image, not by batch, so
    that an image's pixels do not depend on the others.

    threshold = 1 or kept = 1 is cross entropy. One logit, and each of overlapping classes, is a softmax of two classes.
    In nats, 0 or more.

    Args:
        threshold: Probability below which a pixel is hard, in [0, 1].
        kept: Fraction of an image's labelled pixels that count at least, in [0, 1].
        class_weights: w_c, one number or one for each class; for a sigmoid two, outside and inside its class. They do
            not change which pixels are hard, and the mean divides by pixels, not by weights.

    Raises:
        ValueError: If a number is out of range.
    """

    tasks = ("segmentation", "multilabel")

    def __init__(
        self, threshold: float = 0.7, kept: float = 0.0625, class_weights: float | Sequence[float] = 1.0
    ) -> None:
        super().__init__(class_weights)
        for key, value in {"threshold": threshold, "kept": kept}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"loss.{key}={value}: must be from 0 to 1")
        if not threshold and not kept:
            raise ValueError("loss.threshold=0, loss.kept=0: no pixel counts; one of them must be positive")
        self.hard_above = -math.log(threshold) if threshold else math.inf
        self.kept = kept

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss."""
        logits = softmax_logits(logits)
        valid = target != IGNORE_INDEX
        index = target.where(valid, 0)
        values = functional.cross_entropy(logits, index, reduction="none")
        hard = valid & self._hard(values.detach().where(valid, -1.0), valid)
        factor = self.class_weights[index] if len(self.class_weights) > 1 else self.class_weights
        return weighted_mean(factor * values, target.where(hard, IGNORE_INDEX), weight)

    def _hard(self, values: Tensor, valid: Tensor) -> Tensor:
        """Return where losses (B,H,W), below 0 where a pixel is ignored, are among those that count, bool."""
        least = (valid.flatten(1).sum(dim=1) * self.kept).ceil().long()
        ranked = values.flatten(1).sort(dim=1, descending=True).values
        last = ranked.gather(1, (least - 1).clamp(min=0).unsqueeze(1)).where(least.unsqueeze(1) > 0, math.inf)
        return values >= last.clamp(max=self.hard_above).unsqueeze(2)
