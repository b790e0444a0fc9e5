"""ONNX (https://onnx.ai): a graph of standard operators as data, which ONNX Runtime computes (https://onnxruntime.ai)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from segbench.data.dataset import Normalise
from segbench.environment import bounded_memory
from segbench.errors import CheckpointError
from segbench.installation import require
from segbench.model_formats.graph import FromPixels, GraphFormat, GraphNetwork, example
from segbench.model_formats.sidecar import IMAGE, LARGEST, LOGITS, Graph, Sidecar
from segbench.models.upconvolution import as_defined
from segbench.runs.bounded import MEMORY
from segbench.words import first_line

_EXTRA = "onnx"
# Severity of what ONNX Runtime says.
_ERRORS_ONLY = 3


class OnnxFormat(GraphFormat):
    """A graph in one file, with its weights; see :class:`segbench.model_formats.formats.Format`."""

    file: ClassVar[str] = "model.onnx"
    extra: ClassVar[str] = _EXTRA
    packages: ClassVar[Sequence[str]] = ("onnx", "onnxscript", "onnxruntime")
    opset: ClassVar[int | None] = 18

    def write(self, network: nn.Module, normalise: Normalise, graph: Graph | None) -> bytes:
        """Return the file of a network.

        Raises:
            Exception: Whatever torch's exporter says of what it cannot trace.
            ValueError: If it is larger than such a file can be.
        """
        assert graph is not None
        whole, image = FromPixels(network, normalise).eval(), example(graph)
        # As it is defined: a form that depends on the image's size would fix that.
        with _quiet(), torch.no_grad(), as_defined():
            program = torch.onnx.export(
                whole,
                (image,),
                dynamo=True,
                opset_version=self.opset,
                dynamic_shapes=(_dimensions(graph),),
                input_names=[IMAGE],
                output_names=[LOGITS],
                verbose=False,
            )
        assert program is not None
        # The exporter notes where in which file of this machine each operator was called.
        require("onnx_ir", _EXTRA, "to=onnx").passes.common.ClearMetadataAndDocStringPass()(program.model)
        model = program.model_proto
        if (size := model.ByteSize()) > LARGEST:
            raise ValueError(f"{size:,} bytes are more than one file of ONNX can hold")
        content: bytes = model.SerializeToString()
        return content

    def network(self, content: bytes, sidecar: Sidecar, trust: bool) -> nn.Module:
        """Return the network that a file holds; nothing in it is code, and no other file is opened.

        Raises:
            CheckpointError: If it is no graph that ONNX Runtime can compute, or another one than the sidecar tells.
            ConfigError: If ONNX Runtime is not installed.
        """
        runtime = require("onnxruntime", _EXTRA, f"run: an export to {sidecar.format}")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = _ERRORS_ONLY
        try:
            # From memory: a graph may name further files, for which there is no folder then.
            with bounded_memory(4 * len(content) + MEMORY):
                session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise CheckpointError(f"{self.file} is no graph that can be computed ({first_line(error):.200})") from error
        names = [[part.name for part in side] for side in (session.get_inputs(), session.get_outputs())]
        if names != [[IMAGE], [LOGITS]] or sidecar.graph is None:
            raise CheckpointError(f"{self.file}: another graph than its sidecar tells")
        return GraphNetwork(lambda image: _infer(session, image), sidecar.graph, sidecar.prediction.logits)


def _infer(session: Any, image: Tensor) -> Tensor:
    (logits,) = session.run([LOGITS], {IMAGE: np.ascontiguousarray(image.cpu().numpy())})
    return torch.from_numpy(logits).to(image.device)


def _dimensions(graph: Graph) -> dict[int, Any]:
    """Return which dimensions of the image may vary, as torch's exporter has them."""
    # Not above: what only predicts does without the tracer.
    from torch.export import Dim

    found: dict[int, Any] = {} if graph.batch else {0: Dim("batch")}
    for dimension, name, fixed in ((2, "rows", graph.height), (3, "columns", graph.width)):
        if fixed is None:
            found[dimension] = Dim(name) if graph.multiple_of == 1 else graph.multiple_of * Dim(name)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes about itself from the terminal; what it cannot do it raises."""
    names = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "torch.fx", "torch._dynamo")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
