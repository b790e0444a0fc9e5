"""TorchScript: a traced graph that libtorch computes, also from C++. Opening such a file executes what is in it."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from segbench.data.dataset import Normalise
from segbench.errors import CheckpointError, ConfigError
from segbench.model_formats.graph import FromPixels, GraphFormat, GraphNetwork, example
from segbench.model_formats.sidecar import Graph, Sidecar
from segbench.models.upconvolution import as_defined
from segbench.words import first_line


class TorchScriptFormat(GraphFormat):
    """A traced graph with its weights; see :class:`segbench.model_formats.formats.Format`."""

    file: ClassVar[str] = "model.pt"
    extra: ClassVar[str] = ""
    packages: ClassVar[Sequence[str]] = ()

    def write(self, network: nn.Module, normalise: Normalise, graph: Graph | None) -> bytes:
        """Return the file of a network.

        Raises:
            Exception: Whatever torch says of what it cannot trace.
        """
        assert graph is not None
        whole, image = FromPixels(network, normalise).eval(), example(graph)
        buffer = io.BytesIO()
        with warnings.catch_warnings(), torch.no_grad(), as_defined():
            # Sizes that it takes for constants are found by the check, at another size.
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.trace(whole, image, check_trace=False), buffer)
        return _without_sources(buffer.getvalue())

    def network(self, content: bytes, sidecar: Sidecar, trust: bool) -> nn.Module:
        """Return the network that a file holds.

        Raises:
            ConfigError: Without ``trust``: the file is code.
            CheckpointError: If it is no TorchScript.
        """
        if not trust:
            raise ConfigError("run: an export to torchscript is code, not data; trust=true executes it")
        if sidecar.graph is None:
            raise CheckpointError(f"{self.file}: another graph than its sidecar tells")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module: Any = torch.jit.load(io.BytesIO(content), map_location="cpu")
        except Exception as error:
            raise CheckpointError(f"{self.file} is no TorchScript ({first_line(error):.200})") from error

        def infer(image: Tensor) -> Tensor:
            logits: Tensor = module.to(image.device)(image)
            return logits

        return GraphNetwork(infer, sidecar.graph, sidecar.prediction.logits)


def _without_sources(content: bytes) -> bytes:
    """Return an archive without the notes of which line in which file of this machine each operator came from."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as kept:
        for member in archive.infolist():
            if not member.filename.endswith(".debug_pkl"):
                kept.writestr(zipfile.ZipInfo(member.filename), archive.read(member))
    return result.getvalue()
