"""The one way from images to probabilities outside Lightning's loops."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.tasks.base import Task


class Grid(Protocol):
    """The way from a slice to an image, and back; see :class:`segbench.data.plane.Plane`."""

    def restore(self, probabilities: NDArray[np.float32], outside: float = 1.0) -> NDArray[np.float32]:
        """Return probabilities (K,h,w) of the image on the slice's own grid (K,H,W)."""


_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def predict_probabilities(task: Task[Any], images: Tensor, precision: Any, batch_size: int = 8) -> Tensor:
    """Predict as Lightning's test loop does: in the precision of training, on the device of the task.

    Args:
        task: The task, in evaluation.
        images: Normalised images (N,C,H,W).
        precision: ``trainer.precision``; mixed ones run under autocast.
        batch_size: Images at a time.

    Returns:
        Probabilities of all classes, float32 on the CPU: (N,K,H,W) with the background first, or (N,K).
    """
    device = task.device
    dtype = _AUTOCAST.get(str(precision))
    found = []
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not None):
        for part in images.split(batch_size):
            found.append(task.probabilities(task(part.to(device))).cpu())
    # One large image is not copied.
    return torch.cat(found) if len(found) > 1 else found[0]


def predict_on_grid(
    task: Task[Any], images: Tensor, grid: Grid, precision: Any, batch_size: int = 8
) -> NDArray[np.float32]:
    """Predict images, or the slices of a volume, on the grid that they came from.

    Args:
        task: The task, in evaluation; one with masks.
        images: As for :func:`predict_probabilities`.
        grid: How each of them became an image.
        precision: As for :func:`predict_probabilities`.
        batch_size: Images at a time.

    Returns:
        Probabilities (N,K,H,W).
    """
    found = predict_probabilities(task, images, precision, batch_size)
    restored = [grid.restore(part, task.outside) for part in found.numpy()]
    return np.stack(restored) if len(restored) > 1 else restored[0][None]


def masks_of(task: Task[Any], probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the masks uint8 (N,H,W), as data stores them, of what a task predicts from probabilities (N,K,H,W)."""
    labels = task.predict_labels(torch.from_numpy(probabilities))
    masks: NDArray[np.uint8] = task.stored_masks(labels).numpy()
    return masks
