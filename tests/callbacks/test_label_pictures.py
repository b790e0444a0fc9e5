"""What the callbacks keep and draw of a classification."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.callbacks import panels
from segbench.callbacks.panels import PredictionPanels
from segbench.callbacks.predictions import StoredPredictions
from segbench.errors import ConfigError
from segbench.runs.archive import PREDICTIONS, Archive, images_name
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
    options |= {"datasets": splits, "scored": splits.__getitem__, "mean": np.zeros(1), "std": np.ones(1)}
    return SimpleNamespace(name="parity", **options)


def table_of(data, wrong):
    """Predictions with rising probability, wrong for these images."""
    table = LabelsTable()
    for number, item in enumerate(data.datasets["test"]):
        sure = 0.6 + number / 100
        named = int(item["label"]) ^ (number in wrong)
        probabilities = torch.tensor([[1 - sure, sure] if named else [sure, 1 - sure]])
        table.add([item["id"]], item["label"][None], probabilities, torch.tensor(0.0))
    return table


def draw(data, table, path, images=3):
    task = SimpleNamespace(evaluation={"test": table})
    PredictionPanels(images).draw(task, data, "test", path, [], 0)  # type: ignore[arg-type]


def test_the_surest_mistakes_are_drawn(data, tmp_path, monkeypatch):
    shown = []
    real = panels.draw_mistakes
    monkeypatch.setattr(panels, "draw_mistakes", lambda part, words: shown.append((part, words)) or real(part, words))
    draw(data, table_of(data, {2, 5, 11}), tmp_path / "predictions.png")
    ((found, words),) = shown
    assert [round(float(part.image[0, 0, 0]) * 255) for part in found] == [11, 5, 2]
    assert [(part.truth, part.prediction) for part in found] == [("odd", "even"), ("odd", "even"), ("even", "odd")]
    assert [part.probability for part in found] == pytest.approx([0.71, 0.65, 0.62])
    assert "all 3 among 20 images" in words
    assert Image.open(tmp_path / "predictions.png").size[0] > 500


def test_a_run_without_mistakes_leaves_no_picture_of_an_earlier_one(data, tmp_path, caplog):
    path = tmp_path / "predictions.png"
    path.write_bytes(b"of a run that was trained again")
    with caplog.at_level(logging.INFO):
        draw(data, table_of(data, set()), path)
    assert not path.exists()
    assert "every image is named right" in caplog.text


def test_labels_of_other_images_are_not_drawn(data, tmp_path, caplog):
    table = table_of(data, {3})
    table.ids[3] = "another"
    draw(data, table, tmp_path / "predictions.png")
    assert "not drawn (ValueError: the labels are of another" in caplog.text


def test_pictures_during_training_are_refused_in_one_line(data):
    trainer = SimpleNamespace(precision="32-true", datamodule=data)
    with pytest.raises(ConfigError, match="callbacks.panels.every_n_epochs=1: .*set it to 0"):
        PredictionPanels(every_n_epochs=1).setup(trainer, None, "fit")  # type: ignore[arg-type]


def test_images_are_kept_once_and_exactly_beside_the_runs(data, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    callback = StoredPredictions()
    task = SimpleNamespace(evaluation={"test": LabelsTable()})
    callback.on_test_start(None, task)  # type: ignore[arg-type]
    callback.on_test_batch_end(None, task, torch.tensor([0, 1]), {"id": ["i0", "i1"]}, 0)  # type: ignore[arg-type]
    callback.write(run, data, ["test"])
    assert not (run / PREDICTIONS).exists()
    found = Archive.open(tmp_path / images_name("test", data.fingerprint, data.datasets["test"].ids))
    assert found is not None
    assert found.ids == tuple(f"i{i}" for i in range(20))
    assert (found.image("i7") == 7).all()


@pytest.mark.parametrize(("asked", "kept"), [(None, "test"), ("val", "val"), ("val_volumes", "val"), ("train", "test")])
def test_one_split_is_kept(tmp_path, asked, kept):
    items = {split: Items([{"image": torch.zeros(1, 4, 4), "id": split}]) for split in ("val", "test")}
    options = {"class_names": ("a", "b"), "fingerprint": "0123456789", "task": "segmentation", "in_channels": 5}
    data = SimpleNamespace(scored=items.__getitem__, **options)
    callback, task = StoredPredictions(split=asked), SimpleNamespace(evaluation=dict.fromkeys(items))
    callback.on_test_start(None, task)
    for place, split in enumerate(items):
        callback.on_test_batch_end(None, task, torch.zeros(1, 4, 4), {"id": [split]}, 0, place)
    callback.write(tmp_path, data, list(items))
    found = Archive.open(tmp_path / PREDICTIONS)
    assert found is not None
    assert found.ids == (kept,)


def test_nothing_is_kept_with_no_megabytes(data, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    StoredPredictions(megabytes=0).write(run, data, ["test"])
    assert list(tmp_path.iterdir()) == [run]
