"""The one way from images to probabilities outside Lightning's loops."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segbench.tasks.base import Task

_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def predict_probabilities(task: Task[Any], images: Tensor, precision: Any, batch_size: int = 8) -> Tensor:
    """Predict as Lightning's test loop does: in the precision of training, on the device of the weights.

    Args:
        task: The task, in evaluation.
        images: Normalised images (N,C,H,W).
        precision: ``trainer.precision``; mixed ones run under autocast.
        batch_size: Images at a time.

    Returns:
        Probabilities of all classes, float32 on the CPU: (N,K,H,W) with the background first, or (N,K).
    """
    device = next(task.network.parameters()).device
    dtype = _AUTOCAST.get(str(precision))
    found = []
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not None):
        for part in images.split(batch_size):
            found.append(task.probabilities(task(part.to(device))).cpu())
    return torch.cat(found)
