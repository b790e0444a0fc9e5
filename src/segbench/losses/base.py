"""What all losses share: the ignored label, precision, and which networks they fit."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.labels import IGNORE_INDEX
from segbench.losses.weight_picture import WeightPicture
from segbench.processes import mean_count


class SegmentationLoss(nn.Module):
    """A loss of logits (B,K,H,W) and labels int64 (B,H,W), a float32 scalar.

    Label 255 is ignored: such pixels add nothing to the value and get no gradient. K = 1 means one foreground class
    with a sigmoid (labels 0 and 1), K > 1 a softmax over all classes. Computed in float32, also under autocast.

    Its means are taken by :func:`weighted_mean` and :func:`segbench.processes.mean`, so that several processes, each
    with a part of a batch, have the loss of the batch. A class outside segbench that does so says
    ``several_processes = True``.

    For overlapping classes, labels are int64 (B,K,H,W), 0 or 1 for each class. Each class of each image is then treated
    as an image of its own with K = 1, B K images in all, so a mean over pixels is also one over classes.

    Attributes:
        tasks: The tasks it can be used for; a loss for ``classification`` also takes logits (B,K) and labels (B,), a
            loss for ``multilabel`` takes a single logit (K = 1).
    """

    tasks: ClassVar[tuple[str, ...]] = ("segmentation",)

    def check(self, out_channels: int) -> None:
        """Check that the loss can be used with a network.

        Args:
            out_channels: K, the channels of the logits; 1 for overlapping classes, as each has a sigmoid of its own.

        Raises:
            ValueError: If it cannot; the message gives the fix.
        """

    def prepare(self, class_pixels: Tensor) -> None:
        """Receive the class frequencies, once, before training; most losses ignore them.

        Args:
            class_pixels: Pixels of each class in the training set, int64 (C,).
        """

    def weight_settings(self) -> dict[str, Any] | None:
        """Return the settings that the pixel weights depend on, as plain values; None for a loss without them."""
        return None

    def pixel_weights(self, mask: NDArray[np.uint8], instances: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the weight of each pixel of an image; only called if :meth:`weight_settings` is not None.

        Args:
            mask: Class of each pixel (H,W), or 255 (ignored).
            instances: Object number of each pixel (H,W), 0 for none.

        Returns:
            float32 (H,W), finite and 0 or more.
        """
        raise NotImplementedError

    def callbacks(self) -> list[pl.Callback]:
        """Return the callbacks that training with this loss needs: with pixel weights, the one that draws them."""
        settings = self.weight_settings()
        return [] if settings is None else [WeightPicture(settings)]

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            logits: (B,K,H,W), any floating type.
            target: int64 (B,H,W), class indices or 255; for overlapping classes (B,K,H,W), 0, 1 or 255.
            weight: Pixel weights, float32 (B,H,W), or None.
        """
        if target.ndim == logits.ndim:
            weight = None if weight is None else weight.repeat_interleave(logits.shape[1], dim=0)
            logits, target = logits.flatten(0, 1).unsqueeze(1), target.flatten(0, 1)
        with torch.autocast(logits.device.type, enabled=False):
            # Before any function of the logits: non-finite ones masked after a softmax would still give NaN gradients.
            logits = torch.where((target != IGNORE_INDEX).unsqueeze(1), logits.float(), 0.0)
            return self.compute(logits, target, weight)

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss of float32 logits; arguments are those of :meth:`forward`."""
        raise NotImplementedError


def weighted_mean(values: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Return sum(w v) / (number of pixels not ignored), with w = 1 by default; 0 if all are ignored.

    In a step of several processes the number is that of all (:func:`segbench.processes.mean_count`).

    Args:
        values: (B,H,W), a value for each pixel.
        target: int64 (B,H,W).
        weight: Pixel weights (B,H,W), or None.
    """
    valid = target != IGNORE_INDEX
    values = torch.where(valid, values, 0.0)
    if weight is not None:
        values = values * weight
    return values.sum() / mean_count(valid.sum())
