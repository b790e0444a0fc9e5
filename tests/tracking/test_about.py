"""What dashboards are told of a run."""

import math

import pytest

from segbench.tracking.about import best_epoch, describe

ROWS = [
    {"epoch": 1, "step": 4, "train/loss": 0.9, "val/loss": 0.5, "val/dice": 0.7},
    {"epoch": 2, "step": 8, "train/loss": 0.8, "val/loss": 0.4, "val/dice": 0.8},
    {"epoch": 3, "step": 12, "train/loss": 0.7, "val/loss": 0.4, "val/dice": 0.9},
    {"epoch": 4, "step": 16, "train/loss": 0.6, "val/loss": math.nan, "val/dice": 0.6},
]


@pytest.mark.parametrize(("monitor", "epoch"), [("val/loss", 2), ("val/dice", 3), ("last", 4)])
def test_the_best_epoch_is_that_of_the_checkpoints(monitor, epoch):
    best = best_epoch(ROWS, monitor, "val/dice")
    row = ROWS[epoch - 1]
    scores = {"best/epoch": epoch, "best/val_loss": row["val/loss"], "best/val_dice": row["val/dice"]}
    assert repr(best.scores) == repr({name: scores[name] for name in best.scores})
    assert set(best.scores) == set(scores)
    assert set(best.decisive) == set(scores) - ({"best/val_loss"} if monitor != "val/loss" else set())


def test_without_a_finite_score_no_epoch_is_best():
    assert best_epoch(ROWS[3:], "val/loss", "val/dice") == ({}, {})


def about(cfg, tmp_path, headline="val/dice", **choices):
    identity = {"name": "run", "wandb_id": "abc", "experiment": "exp", "choices": choices}
    return describe(cfg, tmp_path, identity, headline)


def test_choices_are_told_by_their_names_beside_the_settings(compose, tmp_path):
    told = about(compose("seed=3"), tmp_path, model="attunet", loss="dice", data="phantom", variant=None)
    assert told.names == {"model": "attunet", "loss": "dice", "data": "phantom", "seed": 3}
    assert told.tags == ["phantom", "attunet", "dice"]
    assert told.settings["model"] == "attunet"
    assert "model._target_" not in told.settings
    assert told.settings["optimizer.lr"] == told.configuration["optimizer"]["lr"]


def test_the_score_that_decides_is_the_experiment_s_on_its_split(compose, tmp_path):
    summary = {"scores": {"val": {"dice": 0.9, "iou": 0.8}, "test": {"dice": 0.7, "iou": 0.6}}}
    told = about(compose(), tmp_path)
    assert told.final(summary)["final/dice"] == 0.7
    cfg = compose("experiment=carvana/architectures", "comparison.metric=iou", "comparison.split=val")
    told = about(cfg, tmp_path)
    assert told.final(summary)["final/iou"] == 0.8
    assert told.final(summary)["final/test_dice"] == 0.7
    assert about(compose(), tmp_path, headline="").kind == "comparison"
