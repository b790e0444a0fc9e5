"""A run whose loss weighs pixels draws its weight map, others do not."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segbench.losses import BoundaryCrossEntropy, CrossEntropy, weight_picture
from segbench.losses.weight_picture import WeightPicture
from segbench.masks import MaskKey


def data_of(*borders):
    """A data module's surface: images of two cells that touch, with these weights between them."""
    items = []
    for number, border in enumerate(borders):
        mask, weight = torch.zeros(120, 140, dtype=torch.long), torch.ones(120, 140)
        mask[40:60, 40:60] = mask[40:60, 62:80] = 1
        weight[mask == 1] = 3
        weight[40:60, 60:62] += border
        items.append({"image": torch.zeros(1, 120, 140), "mask": mask, "weight": weight, "id": f"image{number}"})
    splits = {"val": items, "train": items}
    options = {
        "scored": splits.__getitem__,
        "mean": np.array([0.5]),
        "std": np.array([0.5]),
        "mask_key": MaskKey(("background", "cell")),
    }
    return SimpleNamespace(datasets=splits, **options)


@pytest.fixture
def finish(context):
    """Let the picture be drawn, as at the end of a run; return where it belongs."""

    def finished(data):
        told = context(None, data)
        WeightPicture({"boundary": {"w0": 10, "sigma": 5.5}}).finish(told)
        return told.run.figures / "weights.png"

    return finished


@pytest.fixture
def drawn(monkeypatch):
    found = []
    real = weight_picture.draw_weight_map
    monkeypatch.setattr(weight_picture, "draw_weight_map", lambda *values: found.append(values) or real(*values))
    return found


@pytest.mark.slow
def test_the_image_with_the_heaviest_border_is_drawn_with_the_settings(finish, drawn):
    path = finish(data_of(1, 10, 2))
    ((image, _, weight, _, words),) = drawn
    assert words == "part of image1; w0 10; sigma 5.5"
    assert weight.max() == 11
    assert (image == 0.5).all()
    assert path.stat().st_size > 1000


@pytest.mark.slow
def test_a_loss_that_weighs_no_borders_has_no_picture_and_keeps_no_old_one(finish, caplog):
    assert finish(data_of(1)).exists()
    with caplog.at_level(logging.INFO):
        assert not finish(data_of(0)).exists()
    assert "no pixel between two objects" in caplog.text


def test_a_loss_that_weighs_pixels_brings_it_and_no_other_does():
    (picture,) = BoundaryCrossEntropy(w0=3).callbacks()
    assert (type(picture), picture.settings["boundary"]["w0"]) == (WeightPicture, 3)
    assert CrossEntropy().callbacks() == []


def test_a_picture_that_fails_is_only_warned_of(finish, caplog):
    data = data_of(1)
    data.mean = None
    finish(data)
    assert "weights.png: not drawn (" in caplog.text


def test_a_run_has_it_at_its_end(tiny, run, tmp_path):
    run(tiny(tmp_path, "loss=boundary_ce", "trainer.max_epochs=1"), tmp_path / "run")
    assert (tmp_path / "run" / "figures" / "weights.png").stat().st_size > 1000
