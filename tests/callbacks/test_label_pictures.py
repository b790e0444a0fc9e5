"""What the callbacks keep and draw of a classification."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segbench.callbacks.panels import PredictionPanels
from segbench.callbacks.predictions import StoredPredictions
from segbench.errors import ConfigError
from segbench.runs.archive import PREDICTIONS, Archive, images_name
from segbench.tasks import ClassificationTask, SegmentationTask, mistakes
from segbench.tasks.classification import LabelsTable


class Items(list):
    @property
    def ids(self):
        return [item["id"] for item in self]


@pytest.fixture
def data():
    """A data module's surface: twenty images of the shade of their number."""
    items = [
        {"image": torch.full((1, 28, 28), i / 255), "label": torch.tensor(i % 2), "id": f"i{i}"} for i in range(20)
    ]
    options = {"class_names": ("even", "odd"), "in_channels": 1, "fingerprint": "0123456789", "task": "classification"}
    splits = {"test": Items(items)}
    options |= {"records": (), "datasets": splits, "scored": splits.__getitem__, "mean": np.zeros(1), "std": np.ones(1)}
    return SimpleNamespace(name="parity", **options)


def table_of(data, wrong):
    """Predictions with rising probability, wrong for these images."""
    table = LabelsTable(2)
    for number, item in enumerate(data.datasets["test"]):
        sure = 0.6 + number / 100
        named = int(item["label"]) ^ (number in wrong)
        probabilities = torch.tensor([[1 - sure, sure] if named else [sure, 1 - sure]])
        table.update([item["id"]], item["label"][None], probabilities, torch.tensor(0.0))
    return table


@pytest.fixture
def draw(context, data):
    def drawn(table, images=3):
        task = ClassificationTask(nn.Identity(), None, None, None, data.class_names)
        task.evaluation = {"test": table}
        found = context(task, data)
        PredictionPanels(images).finish(found)
        return found.run.figures / "predictions.png"

    return drawn


def test_the_most_confident_mistakes_are_drawn(draw, data, monkeypatch):
    shown = []
    real = mistakes.draw_mistakes
    monkeypatch.setattr(mistakes, "draw_mistakes", lambda part, words: shown.append((part, words)) or real(part, words))
    path = draw(table_of(data, {2, 5, 11}))
    ((found, words),) = shown
    assert [round(float(part.image[0, 0, 0]) * 255) for part in found] == [11, 5, 2]
    assert [(part.truth, part.prediction) for part in found] == [("odd", "even"), ("odd", "even"), ("even", "odd")]
    assert [part.probability for part in found] == pytest.approx([0.71, 0.65, 0.62])
    assert "all 3 among 20 images" in words
    assert Image.open(path).size[0] > 500


def test_a_run_without_mistakes_leaves_no_picture_of_an_earlier_one(draw, data, caplog):
    path = draw(table_of(data, {1}))
    assert path.exists()
    with caplog.at_level(logging.INFO):
        draw(table_of(data, set()))
    assert not path.exists()
    assert "every image is classified correctly" in caplog.text


def test_labels_of_other_images_are_not_drawn(draw, data, caplog):
    table = table_of(data, {3})
    data.datasets["test"][3]["id"] = "another"
    draw(table)
    assert "not drawn (ValueError: the labels are of i3, the image is another)" in caplog.text


def test_pictures_during_training_are_refused_in_one_line(data, context):
    with pytest.raises(ConfigError, match="callbacks.panels.every_n_epochs=1: .*set it to 0"):
        PredictionPanels(every_n_epochs=1).bind(context(ClassificationTask, data))


def test_images_are_kept_once_and_exactly_beside_the_runs(data, tmp_path, context):
    callback = StoredPredictions()
    task = SimpleNamespace(evaluation={"test": LabelsTable(2)}, has_masks=False)
    callback.on_test_start(None, task)  # type: ignore[arg-type]
    callback.on_test_batch_end(None, task, torch.tensor([0, 1]), {"id": ["i0", "i1"]}, 0)  # type: ignore[arg-type]
    callback.finish(context(task, data))
    assert not (tmp_path / "run" / PREDICTIONS).exists()
    found = Archive.open(tmp_path / images_name("test", data.fingerprint, data.datasets["test"].ids))
    assert found is not None
    assert found.ids == tuple(f"i{i}" for i in range(20))
    assert (found.image("i7") == 7).all()


@pytest.mark.parametrize(("asked", "kept"), [(None, "test"), ("val", "val"), ("val_volumes", "val"), ("train", "test")])
def test_one_split_is_kept(context, asked, kept):
    items = {split: Items([{"image": torch.zeros(1, 4, 4), "id": split}]) for split in ("val", "test")}
    options = {"class_names": ("a", "b"), "fingerprint": "0123456789", "task": "segmentation", "in_channels": 5}
    data = SimpleNamespace(scored=items.__getitem__, records=(), **options)
    callback, task = StoredPredictions(split=asked), SegmentationTask(nn.Identity(), None, None, None, ("a", "b"))
    task.evaluation = dict.fromkeys(items)
    callback.on_test_start(None, task)
    for place, split in enumerate(items):
        callback.on_test_batch_end(None, task, torch.zeros(1, 4, 4), {"id": [split]}, 0, place)
    told = context(task, data, items)
    callback.finish(told)
    found = Archive.open(told.run.path / PREDICTIONS)
    assert found is not None
    assert found.ids == (kept,)


def test_nothing_is_kept_with_no_megabytes(data, context):
    told = context(ClassificationTask, data)
    StoredPredictions(megabytes=0).finish(told)
    assert list(told.run.path.parent.iterdir()) == [told.run.path]
    assert [path.name for path in told.run.path.iterdir()] == ["figures"]
