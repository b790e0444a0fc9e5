"""Outputs that a network may return in training besides its logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class TrainingOutputs(NamedTuple):
    """Logits and auxiliary outputs that are supervised too; in evaluation a network returns only its logits.

    Attributes:
        logits: The network's output, (B,K,H,W).
        side_logits: Logits of inner stages, upsampled to the image size, (B,K,H,W) each; deep supervision averages the
            loss over them and ``logits``.
        presence: Logits (B,F) for each foreground class being in the image at all (F = 1 for K = 1, else K - 1), or
            None.
        side_weights: What the loss of each of ``side_logits`` weighs in that mean, 1 being that of ``logits``; None for
            1 each.
    """

    logits: Tensor
    side_logits: tuple[Tensor, ...] = ()
    presence: Tensor | None = None
    side_weights: tuple[float, ...] | None = None

    def mean_loss(self, losses: Sequence[Tensor]) -> Tensor:
        """Return the weighted mean of the losses, scalars, of ``logits`` and of each of ``side_logits``."""
        if self.side_weights is None:
            return torch.stack(list(losses)).mean()
        weights = (1.0, *self.side_weights)
        parts = [weight / sum(weights) * loss for weight, loss in zip(weights, losses, strict=True)]
        return torch.stack(parts).sum()


def checked_side_weights(weights: Sequence[float] | None, sides: int) -> tuple[float, ...] | None:
    """Return a network's ``side_weights`` as plain numbers.

    Args:
        weights: What was asked for.
        sides: How many side outputs there are.

    Raises:
        ValueError: If there is not one for each, or one is negative or not finite.
    """
    if weights is None:
        return None
    if len(weights) != sides:
        mend = "set model.deep_supervision=true" if not sides else f"give {sides}"
        raise ValueError(f"model.side_weights={list(weights)}: there are {sides} side outputs; {mend}")
    if not all(0 <= weight < math.inf for weight in weights):
        raise ValueError(f"model.side_weights={list(weights)}: must be at least 0 and finite")
    return tuple(float(weight) for weight in weights)
