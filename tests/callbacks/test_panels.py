import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from segbench.callbacks import panels
from segbench.errors import InterruptedRun
from segbench.masks import MaskKey
from segbench.scores.counts import confusion_matrices
from segbench.tasks import SegmentationTask, examples
from segbench.tasks.evaluation import CountsTable

NAMES = ("background", "top")


def data_of(*sizes, missed=()):
    """A data module's surface: images of these sizes, bright where the class is but for some missed rows of it."""
    items = []
    for number, (height, width) in enumerate(sizes):
        mask = torch.zeros(height, width, dtype=torch.long)
        mask[: height // 2] = 1
        image = mask[None] * 2.0 - 1.0
        image[:, : missed[number] if missed else 0] = -1
        items.append({"image": image, "mask": mask, "id": f"image{number}"})
    options = {"class_names": NAMES, "mask_key": MaskKey(NAMES)}
    splits = {"test": items, "val": items}
    return SimpleNamespace(
        datasets=splits, scored=splits.__getitem__, mean=np.array([0.5]), std=np.array([0.5]), **options
    )


class Brightness(nn.Module):
    """A network that takes what is bright for the class."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, image):
        return image * self.weight


@pytest.fixture
def task():
    return SegmentationTask(Brightness(), nn.Identity(), optimizer=None, scheduler=None, class_names=NAMES)


def evaluate(task, data, split="test"):
    """Count what the task predicts, as a test epoch does."""
    task.evaluation = {split: CountsTable(2)}
    with torch.inference_mode():
        for item in data.datasets[split]:
            confusion = confusion_matrices(task.predict_classes(task(item["image"][None])), item["mask"][None], 2, 255)
            table = task.evaluation[split]
            table.update([item["id"]], confusion, tuple(item["mask"].shape), torch.tensor(0.0))


@pytest.fixture
def logged(monkeypatch):
    calls = []
    monkeypatch.setattr(examples, "log_panels", lambda loggers, panel, key, step: calls.append(panel))
    return calls


@pytest.fixture
def draw(task, context):
    def drawn(data, images=3):
        evaluate(task, data)
        panels.PredictionPanels(images=images).finish(context(task, data))

    return drawn


def test_images_of_several_sizes_are_drawn_one_by_one_and_filled_up_for_loggers(draw, logged, tmp_path):
    draw(data_of((8, 12), (16, 8), (10, 10)))
    assert (tmp_path / "run" / "figures" / "predictions.png").stat().st_size > 1000
    (panel,) = logged
    assert (panel["image"].shape, panel["truth"].shape) == ((3, 16, 12, 1), (3, 16, 12))
    assert np.array_equal(panel["truth"], panel["prediction"])
    assert panel["image"][0, :8, :12, 0].min() == 0
    assert panel["image"][0, 8:].sum() == panel["truth"][0, :, 12:].sum() == 0


@pytest.fixture
def titles(monkeypatch):
    found = []
    monkeypatch.setattr(examples, "draw_panels", lambda *arguments: found.extend(arguments[-1]))
    return found


MISSED = (2, 0, 4, 1, 3)  # rows of four, so the Dice are 2/3, 1, 0, 6/7 and 2/5


def test_a_finished_run_shows_its_best_median_and_worst_image(draw, logged, titles):
    draw(data_of(*[(8, 8)] * 5, missed=MISSED))
    assert titles == ["best   image1   Dice 1.000", "median   image0   Dice 0.667", "worst   image2   Dice 0.000"]
    assert logged[0]["id"] == ["image1", "image0", "image2"]
    # The pictures are those of the titles: nothing of the class is found in the worst.
    assert logged[0]["prediction"].sum(axis=(1, 2)).tolist() == [32, 16, 0]


def test_one_image_is_the_median(draw, logged, titles):
    draw(data_of(*[(8, 8)] * 5, missed=MISSED), images=1)
    assert titles == ["median   image0   Dice 0.667"]


def test_the_title_has_the_dice_of_the_evaluation(task, logged, titles, context):
    data = data_of((8, 8), (8, 8), missed=(0, 2))
    evaluate(task, data)
    task.network.weight.data.neg_()
    panels.PredictionPanels().finish(context(task, data))
    assert titles == ["best   image0   Dice 1.000", "worst   image1   Dice 0.667"]


def test_counts_of_other_images_are_not_taken_for_these(task, logged, titles, context, caplog):
    data = data_of((8, 8), (8, 8))
    evaluate(task, data)
    data.datasets["test"].reverse()
    panels.PredictionPanels().finish(context(task, data))
    assert "not drawn (ValueError: the counts are of image0, image1, the images image1, image0)" in caplog.text
    assert not titles


def test_pictures_during_training_are_of_the_same_images_whatever_their_scores(task, logged, context):
    data = data_of(*[(8, 8)] * 5, missed=MISSED)
    trainer = SimpleNamespace(current_epoch=1, loggers=[None], global_step=7)
    callback = panels.PredictionPanels(images=3, every_n_epochs=2)
    callback.bind(context(task, data, splits=()))
    for epoch in range(4):
        trainer.current_epoch = epoch
        callback.on_validation_epoch_end(trainer, task)
    assert [panel["id"] for panel in logged] == [["image0", "image2", "image4"]] * 2


def test_a_drawing_error_is_only_warned_of(draw, logged, monkeypatch, caplog):
    monkeypatch.setattr(examples, "draw_panels", lambda *_, **__: (_ for _ in ()).throw(ValueError("no font\nat all")))
    with caplog.at_level(logging.WARNING):
        draw(data_of((8, 8)))
    assert "predictions.png: not drawn (ValueError: no font)" in caplog.text


def test_a_stop_signal_is_no_drawing_error(draw, logged, monkeypatch):
    monkeypatch.setattr(examples, "draw_panels", lambda *_, **__: (_ for _ in ()).throw(InterruptedRun(15)))
    with pytest.raises(InterruptedRun):
        draw(data_of((8, 8)))


@pytest.mark.slow
def test_a_compiled_network_is_not_compiled_again_for_pictures(task, logged, context):
    compiled = []
    data = data_of((8, 8))
    evaluate(task, data)
    task.network.compile(backend=lambda graph, _: compiled.append(graph) or graph.forward)
    panels.PredictionPanels().finish(context(task, data))
    assert logged
    assert not compiled
    task(torch.zeros(1, 1, 8, 8))
    assert compiled


@pytest.mark.gpu
def test_pictures_are_predicted_where_the_weights_are(task, logged, context):
    data = data_of((8, 8))
    evaluate(task, data)
    task.network.cuda()
    panels.PredictionPanels().finish(context(task, data))
    assert np.array_equal(logged[0]["truth"], logged[0]["prediction"])
