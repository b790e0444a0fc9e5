"""Counts of true and false positives and negatives: the integers that every score derives from."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from segbench.labels import IGNORE_INDEX

# Pixels counted at once on a GPU, where each takes 8 bytes a class; float32 counts one by one up to 2**24.
_AT_ONCE = 2**20


def confusion_matrices(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int = IGNORE_INDEX
) -> Tensor:
    """Count pixels by true and predicted class, image by image; of a GPU, with a single wait for it.

    Args:
        prediction: Class indices (B,H,W), any integer type.
        target: Class indices or ``ignore_index`` (B,H,W), any integer type; pixels with ``ignore_index`` count nowhere.
        num_classes: C, background included (2 for binary data).
        ignore_index: The label to leave out.

    Returns:
        int64 (B,C,C): rows are the truth, columns the prediction.

    Raises:
        ValueError: If a counted pixel's truth or prediction is not a class index.
    """
    if not target.numel():
        return torch.zeros(len(target), num_classes, num_classes, dtype=torch.int64, device=target.device)
    if target.device.type == "cpu":
        images = zip(prediction, target, strict=True)
        return torch.stack([_by_bins(*image, num_classes, ignore_index) for image in images])
    void, guess = target == ignore_index, prediction.int()
    truth = target.int().masked_fill(void, 0)
    _require_classes(truth, guess, void, num_classes)
    return torch.stack([_by_products(*image, num_classes) for image in zip(truth, guess, void, strict=True)])


def _require_classes(truth: Tensor, guess: Tensor, void: Tensor, num_classes: int) -> None:
    """Refuse a label that is no class: it would land in a cell of another class, without an error."""

    def ends(*labels: Tensor) -> list[list[int]]:
        found: list[list[int]] = torch.stack([torch.stack(label.aminmax()) for label in labels]).tolist()
        return found

    found = ends(truth, guess)
    if all(low >= 0 and high < num_classes for low, high in found):
        return
    # What is predicted where nothing counts is nobody's business, but that is seldom worth a look.
    for name, (low, high) in zip(("truth", "prediction"), ends(truth, guess.masked_fill(void, 0)), strict=True):
        if low < 0 or high >= num_classes:
            raise ValueError(f"{name}: labels must be 0 to {num_classes - 1}, got {low} to {high}")


def _by_bins(prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """Return the matrix (C,C) of an image (H,W); ignored pixels have a bin of their own.

    By NumPy, which is faster at it than torch, and an image at a time, whose labels stay in the processor's cache.
    """
    cells, void = num_classes**2, target.numpy() == ignore_index
    # Half the bytes of 64 bits, which is what this takes time for.
    truth, guess = (labels.numpy().astype(np.int32) for labels in (target, prediction))
    np.copyto(truth, 0, where=void)
    _require_classes(torch.from_numpy(truth), torch.from_numpy(guess), torch.from_numpy(void), num_classes)
    truth *= num_classes
    truth += guess
    np.copyto(truth, cells, where=void)
    found = np.bincount(truth.ravel(), minlength=cells + 1)[:cells]
    return torch.from_numpy(found).view(num_classes, num_classes)


def _by_products(truth: Tensor, guess: Tensor, void: Tensor, num_classes: int) -> Tensor:
    """Return the same on a GPU, where bins are waited for twice and other ways add in an order that is never the same.

    Each pixel is a row of zeros with a one at its class. Sums of products of those are exact integers, also in TF32.
    """
    classes = torch.arange(num_classes, device=truth.device)
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=truth.device)
    parts = (labels.flatten().split(_AT_ONCE) for labels in (truth.masked_fill(void, -1), guess))
    for rows, columns in zip(*parts, strict=True):
        one_hot = [(labels.unsqueeze(1) == classes).float() for labels in (rows, columns)]
        total += (one_hot[0].T @ one_hot[1]).long()
    return total


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
