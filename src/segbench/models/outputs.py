"""Outputs that a network may return in training besides its logits."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class TrainingOutputs(NamedTuple):
    """Logits and auxiliary outputs that are supervised too; in evaluation a network returns only its logits.

    Attributes:
        logits: The network's output, (B,K,H,W).
        side_logits: Logits of inner stages, upsampled to the image size, (B,K,H,W) each; deep supervision averages the
            loss over them and ``logits``.
        presence: Logits (B,F) for each foreground class being in the image at all (F = 1 for K = 1, else K - 1), or
            None.
    """

    logits: Tensor
    side_logits: tuple[Tensor, ...] = ()
    presence: Tensor | None = None
