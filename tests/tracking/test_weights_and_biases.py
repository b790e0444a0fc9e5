"""Weights & Biases: its files read back record by record by its own reader, and its search."""

import json
import logging
import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning.loggers
import yaml
from PIL import Image
from tests.tracking.reading import files, history, merged, of

import segbench.train
from segbench import tracking
from segbench.errors import DataError
from segbench.installation import CONF
from segbench.masks import BITS, MaskKey, bit_sets
from segbench.tracking import weights_and_biases

IDENTITY = {"name": "run", "wandb_id": "abc", "experiment": "exp"}


@pytest.fixture
def stopped(run, tiny, tmp_path, offline, monkeypatch):
    """Train a run that is refused after its last epoch; return what goes on with it, and its directory."""
    cfg = tiny(tmp_path, "logger=wandb", "trainer.log_every_n_steps=1", "callbacks.panels.every_n_epochs=1")
    with monkeypatch.context() as patch:
        patch.setattr(segbench.train, "write_scores", lambda *_: (_ for _ in ()).throw(DataError("stop here")))
        with pytest.raises(DataError):
            run(cfg, tmp_path / "run", "exp")
    return lambda: run(cfg, tmp_path / "run", "exp"), tmp_path / "run"


@pytest.mark.slow
def test_without_a_key_a_run_is_kept_offline_and_goes_on_as_the_same_run(stopped, caplog):
    go_on, directory = stopped
    with caplog.at_level(logging.INFO):
        summary = go_on()
    assert caplog.text.count("W&B: not logged in") == 1
    first, second = files(directory)
    assert first.name == second.name == f"run-{json.loads((directory / 'run.json').read_text())['wandb_id']}.wandb"
    # Each epoch once, in what is uploaded to one run.
    assert [row["epoch"] for row in history(first, second) if "epoch" in row] == [1, 2, 3]
    (begun,) = of("run", first)
    assert (begun["run_group"], begun["job_type"], begun["resume"]) == ("exp", "run", True)

    config = merged("config", second)
    assert config["seed"] == 0
    assert config["config"]["trainer"]["max_epochs"] == 3
    told = merged("summary", second)
    assert told["final/dice"] == told["scores"]["test"]["dice"] == summary["scores"]["test"]["dice"]
    assert told["cost"]["peak_memory_bytes"] == summary["cost"]["peak_memory_bytes"]
    assert list((directory / "wandb").rglob("media/images/mask/*.png"))


@pytest.mark.slow
def test_epochs_before_a_kill_are_logged_again(stopped):
    go_on, directory = stopped
    (first,) = files(directory)
    assert [row["epoch"] for row in history(first) if "epoch" in row] == [1, 2, 3]
    # What a kill leaves of it: the rest was in the memory of W&B's own process.
    first.write_bytes(first.read_bytes()[:7])
    go_on()
    rows = [row for row in history(files(directory)[-1]) if "epoch" in row]
    curves = pd.read_csv(directory / "metrics.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for name in ("val/dice", "val/loss", "train/loss", "lr"):
        np.testing.assert_allclose([row[name] for row in rows], curves[name])
    assert [row["trainer/global_step"] for row in rows] == curves["step"].tolist()
    best = curves.loc[curves["val/loss"].idxmin()]
    assert rows[-1]["best/val_dice"] == pytest.approx(best["val/dice"])
    told = merged("summary", files(directory)[-1])
    assert told["best/epoch"] == best["epoch"]
    assert told["best/val_dice_myocardium"] == pytest.approx(best["val/dice_myocardium"])


def test_of_a_run_taken_up_online_it_gets_the_epochs_that_it_lacks():
    rows = [{"epoch": epoch} for epoch in (1, 2, 3)]
    logger = weights_and_biases.WeightsAndBiases.__new__(weights_and_biases.WeightsAndBiases)
    for known, expected in ({"epoch": 2}, [3]), ({}, [1, 2, 3]):
        logger._experiment = SimpleNamespace(resumed=True, summary=known)
        assert [row["epoch"] for row in logger.missing(rows)] == expected


@pytest.mark.slow
def test_masks_can_be_switched_on_and_are_drawn_in_the_colours_of_their_classes(tmp_path, compose, offline):
    inside = np.eye(8, dtype=bool)
    mask = bit_sets([~inside, inside | True], np.arange(64).reshape(8, 8) == 0)[None]
    panel = {"id": ["a"], "image": np.zeros((1, 8, 8, 1)), "truth": mask, "prediction": mask}
    key = MaskKey(("outside", "a\u202ell"), BITS, background=False)
    (image,) = weights_and_biases._masked(panel, key)
    found = {name: part._val for name, part in image._masks.items()}
    assert set(found) == {"truth outside", "truth a\ufffdll", "prediction outside", "prediction a\ufffdll"}
    assert found["truth outside"]["class_labels"] == {1: "outside", 255: "ignored"}
    expected = np.where(inside, 0, 1)
    expected[0, 0] = 255
    np.testing.assert_array_equal(found["prediction outside"]["mask_data"], expected)

    cfg = compose("logger=wandb", "~logger.tensorboard")
    loggers = tracking.build_loggers(cfg, tmp_path, IDENTITY, "val/dice")
    flat = panel | {"truth": np.eye(8, dtype=int)[None], "prediction": 1 - np.eye(8, dtype=int)[None]}
    tracking.log_panels(loggers, flat, MaskKey(("road", "sky"), colours=("#804080", "#4682b4")), 0)
    tracking.finish(loggers, {})
    (item,) = history(*files(tmp_path))
    place = files(tmp_path)[0].parent / "files" / item["predictions in class colours.filenames"][0]
    drawn = np.asarray(Image.open(place))
    assert drawn.shape == (8, 24, 3)
    assert drawn[0, 8].tolist() == [0x46, 0x82, 0xB4]  # edges, as it is one pixel wide, are opaque
    assert drawn[0, 15].tolist() == [0x80 // 2, 0x40 // 2, 0x80 // 2]
    assert item["predictions._type"] == "images/separated"


@pytest.fixture
def wandb_calls(monkeypatch):
    """Stand in for W&B: logged in, no network to begin a run, and no files."""
    import wandb

    calls = []

    def init(mode, tags, **_):
        calls.append(mode)
        calls[:] = [*calls, *tags]
        if mode == "online":
            raise wandb.errors.CommError("no route to host\nwhile retrying")
        return SimpleNamespace(config={"loss": "dice"}, finish=lambda exit_code: calls.append(f"finish {exit_code}"))

    def told(self, params):
        calls.append(sorted(params))

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", lambda prompt: True)
    monkeypatch.setattr(wandb, "teardown", lambda: calls.append("teardown"))
    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(pytorch_lightning.loggers.WandbLogger, "log_hyperparams", told)
    return calls


def test_without_a_network_a_run_is_kept_offline_with_one_line(compose, tmp_path, wandb_calls, caplog):
    identity = IDENTITY | {"choices": {"model": "unet", "loss": "dice", "data": "m" * 70}}
    cfg = compose("logger=wandb", "~logger.tensorboard", "+logger.wandb.tags=[mine,unet]")
    with caplog.at_level(logging.INFO, "segbench"):
        loggers = tracking.build_loggers(cfg, tmp_path, identity, "val/dice")
    tags = ["mine", "unet", "m" * 64, "dice"]
    # What a search of W&B's has set, here the loss, is not said again.
    names = ["config", "data", "model", "seed"]
    assert wandb_calls == ["online", *tags, "teardown", "offline", *tags, names]
    assert len(loggers) == 1
    (line,) = (record.message for record in caplog.records if record.name == "segbench")
    assert line.startswith("W&B: no route to host, so this run is logged offline to")
    assert "WANDB_MODE" not in os.environ


@pytest.mark.slow
def test_wandb_can_be_disabled(compose, tmp_path, wandb_calls, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with caplog.at_level(logging.INFO, "segbench"):
        loggers = tracking.build_loggers(compose("logger=wandb"), tmp_path, IDENTITY, "val/dice")
    assert [type(logger).__name__ for logger in loggers] == ["TensorBoard"]
    assert wandb_calls == []
    assert "WANDB_MODE=disabled" in caplog.text


@pytest.mark.slow
def test_loggers_are_closed_when_one_of_them_refuses(compose, tmp_path, wandb_calls, monkeypatch):
    cfg = compose("logger=wandb", "~logger.tensorboard", "+logger.other._target_=pytorch_lightning.loggers.CSVLogger")
    monkeypatch.setattr(pytorch_lightning.loggers.CSVLogger, "__init__", lambda *_, **__: 1 / 0)
    with pytest.raises(segbench.errors.ConfigError, match=r"logger.other: ZeroDivisionError: division by zero"):
        tracking.build_loggers(cfg, tmp_path, IDENTITY, "val/dice")
    assert wandb_calls[-1] == "finish 1"


def test_its_search_maximises_what_a_run_logs_of_its_best_epoch():
    from segbench.tracking.about import best_epoch

    metric = yaml.safe_load((CONF / "wandb_sweep.yaml").read_text())["metric"]
    monitor = yaml.safe_load((CONF / "trainer" / "default.yaml").read_text())["monitor"]
    row = {"epoch": 1, "step": 1, "val/loss": 0.1, "val/dice": 0.5}
    assert metric["goal"] == "maximize"
    assert best_epoch([row], monitor, "val/dice").decisive[metric["name"]] == 0.5
