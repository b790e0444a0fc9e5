"""Cross entropies."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from segbench.labels import IGNORE_INDEX
from segbench.losses.base import SegmentationLoss, weighted_mean
from segbench.processes import current_step, mean


class BinaryCrossEntropy(SegmentationLoss):
    """Binary cross entropy of a sigmoid, -t log p - (1 - t) log(1 - p), averaged over the pixels not ignored.

    In nats, 0 or more; ln 2 for p = 1/2 everywhere. For overlapping classes, averaged over classes too.
    """

    tasks = ("segmentation", "multilabel")

    def check(self, out_channels: int) -> None:
        """Reject more than one logit.

        Raises:
            ValueError: If ``out_channels`` is not 1.
        """
        if out_channels != 1:
            raise ValueError(f"loss: binary cross entropy needs one logit, the network has {out_channels}; use loss=ce")

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss."""
        truth = target.where(target != IGNORE_INDEX, 0).float()
        values = functional.binary_cross_entropy_with_logits(logits[:, 0], truth, reduction="none")
        return weighted_mean(values, target, weight)


class CrossEntropy(SegmentationLoss):
    """Cross entropy of a softmax, -log p of the true class, averaged over the pixels not ignored.

    In nats, 0 or more; ln K for equal logits. For a classification, which has no ignored label, the mean over the
    batch.
    """

    tasks = ("segmentation", "classification")

    def check(self, out_channels: int) -> None:
        """Reject a single logit.

        Raises:
            ValueError: If ``out_channels`` is 1.
        """
        if out_channels < 2:
            raise ValueError(
                "loss: cross entropy needs one logit per class, the network has 1; use loss=bce or activation=softmax"
            )

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of logits (B,K,H,W) and labels (B,H,W), or of (B,K) and (B,).

        Raises:
            IndexError: If the label of a classified image is not a class (255 is not).
        """
        if logits.ndim == 2 and weight is None and current_step() is not None:
            return mean(functional.cross_entropy(logits.float(), target, reduction="none"))
        if logits.ndim == 2 and weight is None:
            # Handling the ignored label takes four times as long, which shows for a small network. The gradients are
            # bit-identical.
            return functional.cross_entropy(logits.float(), target)
        return super().forward(logits, target, weight)

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss."""
        values = functional.cross_entropy(logits, target, ignore_index=IGNORE_INDEX, reduction="none")
        return weighted_mean(values, target, weight)
