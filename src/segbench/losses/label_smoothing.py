"""Cross entropy with label smoothing."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from segbench.labels import IGNORE_INDEX
from segbench.losses.base import weighted_mean
from segbench.losses.class_factors import ClassWeightedLoss, softmax_logits


class SmoothedCrossEntropy(ClassWeightedLoss):
    """Cross entropy with a truth that is a mixture of the label and all K classes alike, averaged over pixels.

        t_c = (1 - smoothing) [c is the label] + smoothing / K
        loss = -sum_c w_c t_c log p_c

    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016 (arXiv 1512.00567), section
    7; as torch's. One logit, and each of overlapping classes, is a softmax of two classes. smoothing = 0 is cross
    entropy. In nats; its minimum is the entropy of t, above 0. For a classification the mean over the batch.

    Args:
        smoothing: In [0, 1).
        class_weights: w_c, one number or one for each class; for a sigmoid two, outside and inside its class. The mean
            divides by pixels, not by weights.

    Raises:
        ValueError: If a number is out of range.
    """

    tasks = ("segmentation", "multilabel", "classification")

    def __init__(self, smoothing: float = 0.1, class_weights: float | Sequence[float] = 1.0) -> None:
        super().__init__(class_weights)
        if not 0 <= smoothing < 1:
            raise ValueError(f"loss.smoothing={smoothing}: must be at least 0 and below 1")
        self.smoothing = smoothing

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss."""
        logits = softmax_logits(logits)
        weights = self.class_weights.expand(logits.shape[1]).contiguous()
        values = functional.cross_entropy(
            logits, target, weights, ignore_index=IGNORE_INDEX, reduction="none", label_smoothing=self.smoothing
        )
        return weighted_mean(values, target, weight)
