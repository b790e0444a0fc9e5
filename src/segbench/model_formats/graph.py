"""Networks as graphs: the normalisation and the network in one, and such a file as a network again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from segbench.data.dataset import Normalise
from segbench.errors import CheckpointError, DataError
from segbench.model_formats.sidecar import Graph
from segbench.prediction_record import PredictionRecord

# Sides of what a graph is traced with: unequal, as equal ones would be taken for one, and with more than one pixel on
# the lowest level of any network here.
_ROWS, _COLUMNS = 2, 3
_LEAST = 16


class FromPixels(nn.Module):
    """From pixels as files hold them to logits: the normalisation, then the network.

    Args:
        network: (B,C,H,W) normalised images to (B,K,H,W) logits, in evaluation.
        normalise: From stored pixels to normalised images.
    """

    factor: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module, normalise: Normalise) -> None:
        super().__init__()
        self.network = network
        factor, offset = normalise.terms
        self.register_buffer("factor", factor)
        self.register_buffer("offset", offset)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for pixels (B,C,H,W), float32."""
        logits: Tensor = self.network(image * self.factor + self.offset)
        return logits


def example(graph: Graph) -> Tensor:
    """Return pixels (B,C,H,W) to trace a graph with: of its own sides, or a few multiples of what they may be."""
    unit = max(graph.multiple_of, -(-_LEAST // graph.multiple_of) * graph.multiple_of)
    sides = graph.height or _ROWS * unit, graph.width or _COLUMNS * unit
    return torch.zeros(graph.batch or 2, graph.channels, *sides)


class GraphNetwork(nn.Module):
    """A graph in the interface of a network: pixels (B,C,H,W) as files hold them to logits (B,K,H,W).

    Args:
        infer: Runs the graph: float32 pixels (B,C,H,W) to logits (B,K,H,W).
        graph: What it takes.
        logits: K, as the sidecar has it.

    Attributes:
        stride: Height and width of the image must be multiples of this.
    """

    def __init__(self, infer: Callable[[Tensor], Tensor], graph: Graph, logits: int) -> None:
        super().__init__()
        self._infer, self._graph, self._logits = infer, graph, logits
        self.stride = graph.multiple_of

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W).

        Raises:
            DataError: If the graph takes images of one size, and these have another.
            CheckpointError: If it gives another number of logits than the sidecar tells of classes.
        """
        height, width = image.shape[-2:]
        takes = self._graph.height or height, self._graph.width or width
        if takes != (height, width):
            raise DataError(f"image: {height}x{width}, but this export takes {takes[0]}x{takes[1]} alone")
        parts = image.split(self._graph.batch or len(image))
        logits = torch.cat([self._infer(part) for part in parts])
        # A class that nobody knows would be written as another, or as none.
        if logits.shape[1:2] != (self._logits,):
            raise CheckpointError(
                f"run: the graph gives logits {tuple(logits.shape)}, but its sidecar tells {self._logits}"
            )
        return logits


class GraphFormat:
    """What files that compute by themselves have in common; see :class:`segbench.model_formats.formats.Format`.

    Attributes:
        opset: Version of ONNX's operators; None for other formats.
    """

    opset: ClassVar[int | None] = None

    def record(self, record: PredictionRecord) -> PredictionRecord:
        """Return how to predict by such a file: in float32, whatever the run was trained in."""
        return record.model_copy(update={"precision": 32, "channels_last": False})

    def graphs(self, record: PredictionRecord, stride: int) -> Sequence[Graph | None]:
        """Return what the file might take, best first: images of any size; one at a time, of the size that is known.

        Args:
            record: How to predict by the run.
            stride: What image sides must be divisible by.
        """
        windows = record.windows and record.windows.size
        sides = windows or (None if record.windows else record.inputs.size)
        any_size = Graph(
            channels=record.inputs.channels,
            largest_value=record.inputs.scale,
            batch=None,
            height=None,
            width=None,
            multiple_of=stride,
            opset=self.opset,
        )
        if sides is None:
            return [any_size]
        height, width = (-(-side // stride) * stride for side in sides)
        return [any_size, any_size.model_copy(update={"batch": 1, "height": height, "width": width})]

    def normalise(self, record: PredictionRecord) -> Normalise:
        """Return a normalisation that changes nothing: the graph has its own."""
        channels = record.inputs.channels
        return Normalise(np.zeros(channels), np.ones(channels), 1.0)

    def named_classes(self, record: PredictionRecord) -> list[str]:
        """Return the task's class alone: the network is in the file."""
        return [record.task]
