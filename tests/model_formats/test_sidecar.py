"""What lies beside an exported network: told in full, and refused in one line where it is not what was written."""

import json

import pytest

from segbench.errors import CheckpointError
from segbench.model_formats import SIDECAR, open_trained
from segbench.model_formats.sidecar import digest, read_sidecar


def test_it_comes_back_as_it_was_written(folder, record):
    found = read_sidecar(folder())
    assert found.prediction == record()
    assert found.prediction.stored == (0, 255)
    told = json.loads((folder() / SIDECAR).read_text())
    assert told["graph"]["multiple_of"] == 4
    assert told["prediction"]["class_names"] == ["background", "bright"]
    assert told["sha256"] == digest((folder() / "model.onnx").read_bytes())


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("schema_version", 2, r"its schema_version is 2, not 1"),
        ("format", "pickle", r"format: Input should be"),
        ("file", "../model.onnx", r"file: String should match"),
        ("sha256", "abc", r"sha256: String should match"),
        ("code", "import os", r"code: Extra inputs"),
        ("graph.multiple_of", 0, r"graph.multiple_of: Input should be greater than 0"),
        ("graph.channels", True, r"graph.channels: "),
        ("decision.threshold", 1.5, r"decision.threshold: "),
        ("prediction.mean", [0.1, 0.2], r"mean and std must have a value for each of 1 channels"),
        ("prediction.arguments", {"a": "${oc.env:HOME}"}, r"an interpolation"),
        ("prediction.task", 3, r"task: Input should be a valid string"),
        ("prediction", None, r"holds no record of how to predict"),
    ],
)
def test_anything_else_is_refused_in_one_line(folder, place, value, reason):
    path = folder() / SIDECAR
    told = json.loads(path.read_text())
    *sections, key = place.split(".")
    part = told
    for section in sections:
        part = part[section]
    part[key] = value
    path.write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match=reason) as caught:
        read_sidecar(path.parent)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_that_is_cut_anywhere_is_refused(folder):
    path = folder() / SIDECAR
    text = path.read_text().rstrip()
    for length in range(0, len(text), 97):
        path.write_text(text[:length])
        with pytest.raises(CheckpointError, match=r"model.json: .*export the run again$"):
            open_trained(path.parent)


def test_a_damaged_or_exchanged_file_is_refused_in_one_line(folder, doubled):
    path = folder() / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"model.onnx: damaged or exchanged \(its SHA-256 is not that in model.js"
    ):
        open_trained(path.parent)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"model.onnx: .*No such file.*; export the run again$"):
        open_trained(path.parent)
    (path.parent.parent / "elsewhere").write_bytes(doubled())
    path.symlink_to(path.parent.parent / "elsewhere")
    with pytest.raises(CheckpointError, match=r"model.onnx: it is a link"):
        open_trained(path.parent)
