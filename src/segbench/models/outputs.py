"""What a network may return in training beyond its logits."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class TrainingOutputs(NamedTuple):
    """Logits with what is supervised beside them; in evaluation a network returns its logits alone.

    Attributes:
        logits: The network's result, (B,K,H,W).
        side_logits: Results of inner stages at the image's size, (B,K,H,W) each; deep supervision averages the loss
            over them and ``logits``.
        presence: Logits (B,F) of whether each foreground class is in the image at all (F = 1 for K = 1, else K - 1),
            or None.
    """

    logits: Tensor
    side_logits: tuple[Tensor, ...] = ()
    presence: Tensor | None = None
