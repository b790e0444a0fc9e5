"""A graph and its sidecar made by hand, without any exporter."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from segbench.data.input_format import InputFormat
from segbench.model_formats.sidecar import Decision, Graph, Sidecar, digest
from segbench.prediction_record import PredictionRecord, WindowsRecord


@pytest.fixture
def doubled():
    """A graph whose logit is twice the pixel less 200: foreground is what is brighter than 100."""

    def made(external=None) -> bytes:
        two = numpy_helper.from_array(np.full((1, 1, 1, 1), 2, np.float32), "two")
        if external is not None:
            two.ClearField("raw_data")
            two.data_location = TensorProto.EXTERNAL
            two.external_data.add(key="location", value=str(external))
        less = numpy_helper.from_array(np.full((1, 1, 1, 1), 200, np.float32), "less")
        nodes = [
            helper.make_node("Mul", ["image", "two"], ["product"]),
            helper.make_node("Sub", ["product", "less"], ["logits"]),
        ]
        sides = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 1, "h", "w"]) for name in ("image", "logits")
        ]
        graph = helper.make_graph(nodes, "doubled", sides[:1], sides[1:], [two, less])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return onnx.ModelProto.SerializeToString(model)

    return made


@pytest.fixture
def record():
    def made(**changes) -> PredictionRecord:
        facts = {
            "network": "segbench.models.UNet",
            "arguments": {"width": 2},
            "logits": 1,
            "task": "segbench.tasks.segmentation.SegmentationTask",
            "windows": None,
            "precision": 32,
            "channels_last": False,
            "inputs": InputFormat(name="drawn", channels=1),
            "mean": (0.25,),
            "std": (0.5,),
            "class_names": ("background", "bright"),
            "overlapping": False,
            "background": True,
            "class_colours": None,
            "stored": (0, 255),
        }
        return PredictionRecord(**(facts | changes))

    return made


@pytest.fixture
def folder(doubled, record, tmp_path):
    """Write an export of the graph by hand: its folder."""

    def written(content=None, windows=None, **sides):
        content = doubled() if content is None else content
        sides = {"batch": None, "height": None, "width": None, "multiple_of": 4} | sides
        (tmp_path / "export").mkdir(exist_ok=True)
        (tmp_path / "export" / "model.onnx").write_bytes(content)
        Sidecar(
            format="onnx",
            file="model.onnx",
            sha256=digest(content),
            graph=Graph(channels=1, largest_value=255.0, opset=18, **sides),
            decision=Decision(activation="sigmoid", rule="threshold", threshold=0.5),
            check=None,
            run="abc",
            versions={},
            prediction=record(windows=windows and WindowsRecord(size=windows, tiles=None, overlap=0.5)),
        ).write(tmp_path / "export")
        return tmp_path / "export"

    return written
