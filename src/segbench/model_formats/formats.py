"""What a run can be exported to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from torch import nn

from segbench.data.dataset import Normalise
from segbench.model_formats.onnx_file import OnnxFormat
from segbench.model_formats.safetensors_file import SafetensorsFormat
from segbench.model_formats.sidecar import Graph, Sidecar
from segbench.model_formats.torchscript_file import TorchScriptFormat
from segbench.prediction_record import PredictionRecord


class Format(Protocol):
    """A kind of model file.

    Attributes:
        file: Name of the file.
        extra: The extra of ``pyproject.toml`` that installs what it needs.
        packages: What has to be installed to write it, besides what segbench needs.
    """

    file: ClassVar[str]
    extra: ClassVar[str]
    packages: ClassVar[Sequence[str]]

    def record(self, record: PredictionRecord) -> PredictionRecord:
        """Return how to predict by such a file of a run that is predicted by so."""

    def graphs(self, record: PredictionRecord, stride: int) -> Sequence[Graph | None]:
        """Return what inputs the file might take, best first; None for a format without a graph.

        Args:
            record: How to predict by the run.
            stride: What image sides must be divisible by.
        """

    def write(self, network: nn.Module, normalise: Normalise, graph: Graph | None) -> bytes:
        """Return the content of the file of a network, in evaluation on the CPU, with one of these inputs.

        Raises:
            Exception: If the network cannot be written so.
        """

    def network(self, content: bytes, sidecar: Sidecar, trust: bool) -> nn.Module:
        """Return the network that a file holds: images (B,C,H,W), from :meth:`normalise`, to logits (B,K,H,W)."""

    def normalise(self, record: PredictionRecord) -> Normalise:
        """Return how pixels as files hold them become what the network takes."""

    def named_classes(self, record: PredictionRecord) -> list[str]:
        """Return the classes, ``<module>.<class>``, that predicting with such a file imports."""


FORMATS: dict[str, Format] = {
    "onnx": OnnxFormat(),
    "torchscript": TorchScriptFormat(),
    "safetensors": SafetensorsFormat(),
}
