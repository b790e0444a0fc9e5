"""Several trained networks in place of one: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Together(nn.Module):
    """Stands for the network of a task: its logits are those of the mean of the members' probabilities.

    A deep ensemble (B. Lakshminarayanan et al., NeurIPS 2017, eq. 2.4 with equal weights). Windows and mirror images
    are the members' own, as in :class:`segbench.prediction.ensemble.Ensemble`: each is what it would be alone.

    Args:
        members: Trained tasks (:class:`segbench.tasks.base.Task`) of the same classes.
    """

    def __init__(self, members: Sequence[Any]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,...) for images (B,C,H,W)."""
        each: list[Any] = list(self.members)
        first, *others = each
        found = first(image)
        total = first.probabilities(found)
        for member in others:
            total = total + member.probabilities(member(image))
        logits: Tensor = first.logits(total / len(each), found.shape[1])
        return logits


def logarithms(probabilities: Tensor) -> Tensor:
    """Return logits of a softmax from its probabilities, finite for 0."""
    return probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()


def log_odds(probabilities: Tensor) -> Tensor:
    """Return logits of sigmoids from their probabilities, finite for 0 and 1."""
    return torch.logit(probabilities, eps=torch.finfo(torch.float32).eps)
