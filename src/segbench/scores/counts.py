"""Counts of true and false positives and negatives: the integers that every score derives from."""

from __future__ import annotations

import torch
from torch import Tensor

from segbench.labels import IGNORE_INDEX


def confusion_matrices(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int = IGNORE_INDEX
) -> Tensor:
    """Count pixels by true and predicted class, image by image.

    Args:
        prediction: Class indices (B,H,W), any integer type.
        target: Class indices or ``ignore_index`` (B,H,W), int64; pixels with ``ignore_index`` count nowhere.
        num_classes: C, background included (2 for binary data).
        ignore_index: The label to leave out.

    Returns:
        int64 (B,C,C): rows are the truth, columns the prediction.

    Raises:
        ValueError: If a counted pixel's truth or prediction is not a class index.
    """
    images = len(target)
    valid = target != ignore_index
    image = torch.arange(images, device=target.device).view(-1, 1, 1).expand_as(target)[valid]
    truth, guess = target[valid], prediction[valid]
    # A label that is no class would land in a cell of another class or of the next image, without an error.
    for name, labels in (("truth", truth), ("prediction", guess)):
        low, high = (int(end) for end in labels.aminmax()) if len(labels) else (0, 0)
        if low < 0 or high >= num_classes:
            raise ValueError(f"{name}: labels must be 0 to {num_classes - 1}, got {low} to {high}")
    cell = (image * num_classes + truth) * num_classes + guess
    return torch.bincount(cell, minlength=images * num_classes**2).view(images, num_classes, num_classes)


def counts(confusion: Tensor) -> Tensor:
    """Turn confusion matrices into counts.

    Args:
        confusion: int64 (...,C,C), rows truth, columns prediction.

    Returns:
        int64 (...,C,4): true positives, false positives, false negatives, true negatives of each class.
    """
    tp = confusion.diagonal(dim1=-2, dim2=-1)
    fp = confusion.sum(dim=-2) - tp
    fn = confusion.sum(dim=-1) - tp
    tn = confusion.sum(dim=(-2, -1)).unsqueeze(-1) - tp - fp - fn
    return torch.stack((tp, fp, fn, tn), dim=-1)
