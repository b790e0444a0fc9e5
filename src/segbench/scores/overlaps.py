"""Overlapping classes as tensors: between bit sets and one mask per class, and their counts."""

from __future__ import annotations

import torch
from torch import Tensor

from segbench.labels import IGNORE_INDEX


def unpack_bits(masks: Tensor, classes: int) -> Tensor:
    """Return one mask per class, int64 (...,K,H,W): 1 inside the class, 0 outside, 255 for ignored pixels.

    Args:
        masks: Bit sets uint8 (...,H,W), see :data:`segbench.masks.BITS`.
        classes: K.
    """
    sets = masks.long().unsqueeze(-3)
    bits = torch.arange(classes, device=masks.device).view(-1, 1, 1)
    return torch.where(sets == IGNORE_INDEX, sets, sets >> bits & 1)


def pack_bits(masks: Tensor) -> Tensor:
    """Return bit sets uint8 (B,H,W) of one mask per class (B,K,H,W): 0 or 1, or 255 in all K for ignored pixels."""
    bits = torch.arange(masks.shape[1], device=masks.device).view(-1, 1, 1)
    sets = ((masks == 1).long() << bits).sum(dim=1)
    return torch.where(masks[:, 0] == IGNORE_INDEX, IGNORE_INDEX, sets).to(torch.uint8)


def overlap_counts(prediction: Tensor, target: Tensor, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Count the pixels of each class against the rest of its image.

    Args:
        prediction: 0 and 1, or bool, (B,K,H,W).
        target: 0, 1 or ``ignore_index`` (B,K,H,W); a pixel with ``ignore_index`` does not count for that class.
        ignore_index: The label to leave out.

    Returns:
        int64 (B,K,4): true positives, false positives, false negatives, true negatives.

    Raises:
        ValueError: If there are other labels.
    """
    known = target != ignore_index
    if target.numel():
        truth = target.where(known, 0)
        # All four together, as each is waited for on a GPU.
        ends = torch.stack([end.long() for labels in (truth, prediction.int()) for end in labels.aminmax()]).tolist()
        for name, low, high in (("truth", *ends[:2]), ("prediction", *ends[2:])):
            if low < 0 or high > 1:
                raise ValueError(f"{name}: labels must be 0 or 1, got {low} to {high}")
    there, said = (target == 1), prediction.bool()
    cells = (said & there, said & ~there, ~said & there, ~said & ~there)
    return torch.stack([(cell & known).sum(dim=(2, 3)) for cell in cells], dim=-1)
