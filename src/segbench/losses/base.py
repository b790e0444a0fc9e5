"""What all losses share: labels to ignore, precision, and which networks they can serve."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.losses.weight_picture import WeightPicture
from segbench.masks import IGNORE


class SegmentationLoss(nn.Module):
    """A loss on logits (B,K,H,W) and labels int64 (B,H,W); the result is a float32 scalar.

    Label 255 counts nowhere: it adds nothing to the value and its pixels get no gradient. K = 1 means one
    foreground class with a sigmoid (labels 0 and 1), K > 1 a softmax over all classes. Computed in float32
    under autocast too.

    Of classes that overlap, labels are int64 (B,K,H,W), 0 or 1 for each class. The loss is then that of K = 1 on every
    class of every image as if it were an image of its own, B K of them: a mean over pixels is one over classes too.

    Attributes:
        tasks: What it can be used for; a loss for ``classification`` takes logits (B,K) and labels (B,) as well, one
            for ``multilabel`` works with one logit.
    """

    tasks: ClassVar[tuple[str, ...]] = ("segmentation",)

    def check(self, out_channels: int) -> None:
        """Refuse a network whose logits this loss cannot serve.

        Args:
            out_channels: K, the channels of the logits; 1 for classes that overlap, each of which has its own.

        Raises:
            ValueError: With the mend.
        """

    def prepare(self, class_pixels: Tensor) -> None:
        """Learn how frequent the classes are, once, before training; most losses do not ask.

        Args:
            class_pixels: Pixels of each class in the training set, int64 (C,).
        """

    def weight_settings(self) -> dict[str, Any] | None:
        """Return what shapes the weights that it gives pixels, plain values; None for a loss that weighs none."""
        return None

    def pixel_weights(self, mask: NDArray[np.uint8], instances: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the weight of each pixel of an image; asked where :meth:`weight_settings` says something.

        Args:
            mask: Class of each pixel (H,W), or 255 to be ignored.
            instances: The object of each pixel (H,W), 0 for none.

        Returns:
            float32 (H,W), finite and 0 or more.
        """
        raise NotImplementedError

    def callbacks(self) -> list[pl.Callback]:
        """Return the callbacks that a training with this loss needs: of one that weighs pixels, their picture."""
        settings = self.weight_settings()
        return [] if settings is None else [WeightPicture(settings)]

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            logits: (B,K,H,W), any floating type.
            target: int64 (B,H,W), class indices or 255; of classes that overlap (B,K,H,W), 0, 1 or 255.
            weight: float32 (B,H,W), a factor for each pixel, or None.
        """
        if target.ndim == logits.ndim:
            weight = None if weight is None else weight.repeat_interleave(logits.shape[1], dim=0)
            logits, target = logits.flatten(0, 1).unsqueeze(1), target.flatten(0, 1)
        with torch.autocast(logits.device.type, enabled=False):
            # Before any function of them: behind a softmax, logits that are not finite would still give NaN gradients.
            logits = torch.where((target != IGNORE).unsqueeze(1), logits.float(), 0.0)
            return self.compute(logits, target, weight)

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss of float32 logits; each loss defines it."""
        raise NotImplementedError


def weighted_mean(values: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Return sum(w v) / (number of pixels that are not ignored), w = 1 without weights; 0 if all are ignored.

    Args:
        values: (B,H,W), a value for each pixel.
        target: int64 (B,H,W).
        weight: (B,H,W) or None.
    """
    valid = target != IGNORE
    values = torch.where(valid, values, 0.0)
    if weight is not None:
        values = values * weight
    return values.sum() / valid.sum().clamp(min=1)
