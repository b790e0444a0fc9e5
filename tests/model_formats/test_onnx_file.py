"""A graph of ONNX in the place of a network: predicted by windows, padded and cropped, and never code."""

import json
import sys

import numpy as np
import onnxruntime
import pytest
import torch

from segbench.errors import CheckpointError, ConfigError, DataError
from segbench.predictor import Predictor
from segbench.tasks.windows import Windows

CPU = torch.device("cpu")


@pytest.fixture
def image():
    # Of sides that are no multiples of 4.
    return np.random.default_rng(0).integers(0, 256, (13, 10), np.uint8)


def test_a_graph_made_by_hand_predicts_what_its_formula_says(folder, image):
    mask = Predictor.load(folder(), CPU)(image)
    np.testing.assert_array_equal(mask, (2.0 * image - 200 > 0).astype(np.uint8))


def test_windows_and_one_image_at_a_time_give_the_same(folder, image):
    expected = (image > 100).astype(np.uint8)
    for predictor in (
        Predictor.load(folder(windows=(8, 8)), CPU),
        Predictor.load(folder(), CPU, windows=Windows(size=(4, 8)), tta="flips"),
        Predictor.load(folder(batch=1), CPU),
    ):
        np.testing.assert_array_equal(predictor(image), expected)


def test_one_of_a_fixed_size_refuses_others(folder, image):
    predictor = Predictor.load(folder(batch=1, height=16, width=12), CPU)
    np.testing.assert_array_equal(predictor(image), (image > 100).astype(np.uint8))
    with pytest.raises(DataError, match=r"^image: 8x8, but this export takes 16x12 alone$"):
        predictor(image[:8, :8])


def test_other_classes_than_the_sidecar_tells_are_refused(folder, image):
    path = folder() / "model.json"
    told = json.loads(path.read_text())
    told["prediction"] |= {"logits": 3, "class_names": ["background", "dark", "bright"], "stored": [0, 1, 2]}
    path.write_text(json.dumps(told))
    predictor = Predictor.load(path.parent, CPU)
    with pytest.raises(
        CheckpointError, match=r"^run: the graph gives logits \(1, 1, 16, 12\), but its sidecar tells 3$"
    ):
        predictor(image)


def test_no_other_file_is_opened(folder, doubled, tmp_path, monkeypatch, image):
    """Weights may lie in a file beside a graph, so it could name any file."""
    (tmp_path / "secret").write_bytes(np.float32(2).tobytes())
    monkeypatch.chdir(tmp_path)
    # ONNX Runtime does open it if it is told where the graph lies.
    (tmp_path / "graph.onnx").write_bytes(doubled(external="secret"))
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": np.full((1, 1, 2, 2), 7, np.float32)})
    assert (found == 2 * 7 - 200).all()
    for place in (tmp_path / "secret", "../secret", "secret"):
        with pytest.raises(CheckpointError, match=r"model.onnx is no graph that can be computed"):
            Predictor.load(folder(doubled(external=place)), CPU)


@pytest.mark.parametrize("content", [b"", b"no graph", bytes(1000)])
def test_what_is_no_graph_is_refused_in_one_line(folder, content):
    with pytest.raises(CheckpointError, match=r"^run=.*model.onnx is no graph that can be computed \(.*\)$") as caught:
        Predictor.load(folder(content), CPU)
    assert "\n" not in str(caught.value)


def test_a_task_of_one_s_own_needs_trust(folder):
    path = folder() / "model.json"
    path.write_text(path.read_text().replace("segbench.tasks.segmentation.SegmentationTask", "subprocess.Popen"))
    with pytest.raises(ConfigError, match=r"names subprocess.Popen, which is not segbench's; trust=true"):
        Predictor.load(path.parent, CPU)


def test_without_the_package_its_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"an export to onnx: onnxruntime .*; pip install .*\[onnx\]"):
        Predictor.load(folder(), CPU)
