import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from segbench.callbacks import panels
from segbench.errors import InterruptedRun
from segbench.tasks import SegmentationTask


def data_of(*sizes):
    """A data module's surface: images of these sizes, bright where the class is."""
    items = []
    for number, (height, width) in enumerate(sizes):
        mask = torch.zeros(height, width, dtype=torch.long)
        mask[: height // 2] = 1
        items.append({"image": mask[None] * 2.0 - 1.0, "mask": mask, "id": f"image{number}"})
    options = {"class_names": ("background", "top"), "num_classes": 2, "ignore_index": 255}
    return SimpleNamespace(datasets={"test": items}, mean=np.array([0.5]), std=np.array([0.5]), **options)


class Brightness(nn.Module):
    """A network that takes what is bright for the class."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, image):
        return image * self.weight


@pytest.fixture
def task():
    return SegmentationTask(
        Brightness(), nn.Identity(), optimizer=None, scheduler=None, class_names=("background", "top")
    )


@pytest.fixture
def logged(monkeypatch):
    calls = []
    monkeypatch.setattr(panels, "log_panels", lambda loggers, panel, names, step: calls.append(panel))
    return calls


def draw(task, data, path):
    panels.PredictionPanels(images=3).draw(task, data, "test", path, [], 0)


def test_images_of_several_sizes_are_drawn_one_by_one_and_filled_up_for_loggers(task, logged, tmp_path):
    draw(task, data_of((8, 12), (16, 8), (10, 10)), tmp_path / "predictions.png")
    assert (tmp_path / "predictions.png").stat().st_size > 1000
    (panel,) = logged
    assert (panel["image"].shape, panel["truth"].shape) == ((3, 16, 12, 1), (3, 16, 12))
    assert panel["dice"] == [1.0, 1.0, 1.0]
    assert np.array_equal(panel["truth"], panel["prediction"])
    assert panel["image"][0, :8, :12, 0].min() == 0
    assert panel["image"][0, 8:].sum() == panel["truth"][0, :, 12:].sum() == 0


def test_a_drawing_error_is_only_warned_of(task, logged, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(panels, "draw_panels", lambda *_: (_ for _ in ()).throw(ValueError("no font\nat all")))
    with caplog.at_level(logging.WARNING):
        draw(task, data_of((8, 8)), tmp_path / "predictions.png")
    assert "predictions.png: not drawn (ValueError: no font)" in caplog.text


def test_a_stop_signal_is_no_drawing_error(task, logged, tmp_path, monkeypatch):
    monkeypatch.setattr(panels, "draw_panels", lambda *_: (_ for _ in ()).throw(InterruptedRun(15)))
    with pytest.raises(InterruptedRun):
        draw(task, data_of((8, 8)), tmp_path / "predictions.png")


def test_a_compiled_network_is_not_compiled_again_for_pictures(task, logged, tmp_path):
    compiled = []
    task.network.compile(backend=lambda graph, _: compiled.append(graph) or graph.forward)
    draw(task, data_of((8, 8)), tmp_path / "predictions.png")
    assert not compiled
    task(torch.zeros(1, 1, 8, 8))
    assert compiled


@pytest.mark.gpu
def test_pictures_are_predicted_where_the_weights_are(task, logged, tmp_path):
    task.network.cuda()
    draw(task, data_of((8, 8)), tmp_path / "predictions.png")
    assert logged[0]["dice"] == [1.0]
