"""Two networks on the same images: how far their outputs are apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.exporting.images import Shown
from segbench.model_formats.sidecar import Check
from segbench.predictor import Predictor
from segbench.tasks.inference import predict_probabilities

# What neither logits nor probabilities may differ by.
LIMIT = 1e-4


def compare(own: Predictor, exported: Predictor, shown: Shown, any_size: bool) -> Check:
    """Hold an export against its run, both in float32, as both predict: padded, by windows.

    Args:
        own: The run.
        exported: The export.
        shown: Real images.
        any_size: Whether the first image is also given two at a time at another size.

    Returns:
        The largest differences; and of the images how many decisions differ from those of the run in its own precision.
    """
    logits, probabilities, decisions, otherwise = 0.0, 0.0, 0, 0
    unit = int(getattr(own.task.network, "stride", 1))
    for batch in _batches(shown, unit if any_size else None):
        with torch.inference_mode():
            expected, found = (one.task(_normalised(one, batch)).float() for one in (own, exported))
        largest = max(1.0, float(expected.abs().max()))
        logits = max(logits, _difference(expected, found) / largest)
        shares = own.task.probabilities(expected), exported.task.probabilities(found)
        probabilities = max(probabilities, _difference(*shares))
    for pixels in shown.pixels:
        mine, theirs = (_decided(one, pixels) for one in (own, exported))
        decisions, otherwise = decisions + mine.numel(), otherwise + int((mine != theirs).sum())
    return Check(
        images=shown.words,
        logits=logits,
        probabilities=probabilities,
        limit=LIMIT,
        decisions=decisions,
        otherwise=otherwise,
    )


def _batches(shown: Shown, unit: int | None) -> Iterator[list[NDArray[Any]]]:
    for pixels in shown.pixels:
        yield [pixels]
    if unit is not None:
        # Larger by other amounts in height and width, and in a batch with its mirror image.
        larger = np.pad(shown.pixels[0], ((0, unit), (0, 2 * unit), (0, 0)), mode="reflect")
        yield [larger, larger[:, ::-1]]


def _normalised(one: Predictor, batch: list[NDArray[Any]]) -> Tensor:
    return torch.stack([one.normalise(pixels) for pixels in batch])


def _difference(expected: Tensor, found: Tensor) -> float:
    """Return the largest difference; infinity for what is not a number."""
    if expected.shape != found.shape:
        return float("inf")
    largest = float((expected - found).abs().max())
    return largest if largest == largest else float("inf")


def _decided(one: Predictor, pixels: NDArray[Any]) -> Tensor:
    images = _normalised(one, [pixels])
    return one.task.predict_labels(predict_probabilities(one.task, images, one.precision))
