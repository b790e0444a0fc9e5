"""W&B and TensorBoard, read back from what they wrote."""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning.loggers
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import segbench.train
from segbench import tracking
from segbench.errors import ConfigError, DataError
from segbench.masks import BITS, MaskKey, bit_sets


def inspect(path):
    """Read an offline W&B run with W&B's own tool."""
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout.splitlines()
    return [json.loads(line) for line in lines if line.strip()]


@pytest.fixture
def offline(monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/nonexistent")
    monkeypatch.setenv("HOME", "/nonexistent-home")


@pytest.mark.slow
def test_without_a_key_a_run_is_kept_offline_with_one_line_and_goes_on_as_the_same_run(
    run, tiny, tmp_path, offline, monkeypatch, caplog
):
    directory = tmp_path / "run"
    cfg = tiny(tmp_path, "logger=wandb", "trainer.log_every_n_steps=1", "callbacks.panels.every_n_epochs=1")
    monkeypatch.setattr(segbench.train, "write_scores", lambda *_: (_ for _ in ()).throw(DataError("stop here")))
    with caplog.at_level(logging.INFO), pytest.raises(DataError):
        run(cfg, directory, "exp")
    monkeypatch.delattr(segbench.train, "write_scores", raising=False)
    monkeypatch.undo()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert caplog.text.count("W&B: not logged in") == 1
    run(cfg, directory, "exp")

    files = sorted((directory / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    ids = {path.stem.removeprefix("run-") for path in files}
    assert ids == {json.loads((directory / "run.json").read_text())["wandb_id"]}
    text = json.dumps([inspect(path) for path in files])
    for expected in ("val/dice_left ventricle", "train/loss", "max_epochs", "predictions", "exp", "peak_memory_bytes"):
        assert expected in text, expected
    assert list((directory / "wandb").rglob("media/images/mask/*.png"))


def test_tensorboard_has_the_curves(run, tiny, tmp_path):
    run(tiny(tmp_path, "trainer.log_every_n_steps=1", "callbacks.panels.images=3"), tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    scalars = events.Tags()["scalars"]
    for name in (
        "train/loss",
        "train/loss_step",
        "lr",
        "val/loss",
        "val/dice",
        "val/dice_myocardium",
        "final/test_dice",
    ):
        assert name in scalars, name
    assert [point.step for point in events.Scalars("val/dice")] == [4, 8, 12]
    assert "predictions/truth" in events.Tags()["images"]


def comparison(tmp_path):
    picture = tmp_path / "curves.png"
    Image.fromarray(np.full((4, 6, 3), 200, np.uint8)).save(picture)
    table = pd.DataFrame({"model": ["unet", "<b>attunet</b>"], "dice": [0.9, 0.8]})
    return "exp", "unet scores above attunet", table, [("learning curves", picture)]


@pytest.mark.slow
def test_classes_that_overlap_are_masks_of_their_own():
    inside = np.eye(8, dtype=bool)
    mask = bit_sets([~inside, inside | True], np.arange(64).reshape(8, 8) == 0)[None]
    panel = {"id": ["a"], "image": np.zeros((1, 8, 8, 1)), "truth": mask, "prediction": mask}
    (image,) = tracking._wandb_images(panel, MaskKey(("outside", "a\u202ell"), BITS, background=False))
    found = {name: part._val for name, part in image._masks.items()}
    assert set(found) == {"truth outside", "truth a\ufffdll", "prediction outside", "prediction a\ufffdll"}
    assert found["truth outside"]["class_labels"] == {1: "outside", 255: "ignored"}
    expected = np.where(inside, 0, 1)
    expected[0, 0] = 255
    np.testing.assert_array_equal(found["prediction outside"]["mask_data"], expected)


@pytest.mark.slow
def test_a_comparison_is_mirrored_with_its_table_figures_and_answer(compose, tmp_path, offline):
    cfg = compose("logger=wandb")
    for _ in range(2):  # a later comparison goes on as the same run
        tracking.log_comparison(cfg, tmp_path / "mirror", *comparison(tmp_path))
    events = EventAccumulator(str(tmp_path / "mirror" / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("comparison/learning curves")] == [0, 1]
    assert [event.step for event in events.Tensors("comparison/answer/text_summary")] == [0, 1]
    text = events.Tensors("comparison/answer/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert text == "unet scores above attunet"
    html = events.Tensors("comparison/table/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "<b>" not in html
    assert "0.9" in html
    files = sorted((tmp_path / "mirror" / "wandb").glob("offline-run-*/*.wandb"))
    assert len({path.stem for path in files}) == 1
    recorded = json.dumps(inspect(files[0]))
    assert "unet scores above attunet" in recorded
    assert "comparison/table" in recorded
    assert "comparison/learning curves" in recorded


IDENTITY = {"name": "run", "wandb_id": "abc", "experiment": "exp"}


@pytest.fixture
def wandb_calls(monkeypatch):
    """Stand in for W&B: logged in, no network to begin a run, and no files."""
    import wandb

    calls = []

    def init(mode, **_):
        calls.append(mode)
        if mode == "online":
            raise wandb.errors.CommError("no route to host\nwhile retrying")
        return SimpleNamespace(config={}, finish=lambda exit_code: calls.append(f"finish {exit_code}"))

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", lambda prompt: True)
    monkeypatch.setattr(wandb, "teardown", lambda: calls.append("teardown"))
    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(pytorch_lightning.loggers.WandbLogger, "log_hyperparams", lambda *_: None)
    return calls


def test_without_a_network_a_run_is_kept_offline_with_one_line(compose, tmp_path, wandb_calls, caplog):
    with caplog.at_level(logging.INFO, "segbench"):
        loggers = tracking.build_loggers(compose("logger=wandb", "~logger.tensorboard"), tmp_path, IDENTITY)
    assert wandb_calls == ["online", "teardown", "offline"]
    assert len(loggers) == 1
    (line,) = (record.message for record in caplog.records if record.name == "segbench")
    assert line.startswith("W&B: no route to host, so this run is logged offline to")
    assert "WANDB_MODE" not in os.environ


@pytest.mark.slow
def test_wandb_can_be_disabled(compose, tmp_path, wandb_calls, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with caplog.at_level(logging.INFO, "segbench"):
        loggers = tracking.build_loggers(compose("logger=wandb"), tmp_path, IDENTITY)
    assert [type(logger).__name__ for logger in loggers] == ["TensorBoardLogger"]
    assert wandb_calls == []
    assert "WANDB_MODE=disabled" in caplog.text


@pytest.mark.slow
def test_a_logger_that_cannot_be_closed_hides_no_error_of_the_run(run, tiny, tmp_path, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("connection lost\nat last")

    monkeypatch.setattr(pytorch_lightning.loggers.TensorBoardLogger, "finalize", broken)
    monkeypatch.setattr(segbench.train, "_fit_and_evaluate", lambda *_: (_ for _ in ()).throw(DataError("its own")))
    with pytest.raises(DataError, match="its own"):
        run(tiny(tmp_path), tmp_path / "run")
    assert "TensorBoardLogger: cannot close it: connection lost; the run directory has everything" in caplog.text


@pytest.mark.slow
def test_loggers_are_closed_when_one_of_them_refuses(compose, tmp_path, wandb_calls, monkeypatch):
    cfg = compose("logger=wandb", "~logger.tensorboard", "+logger.other._target_=pytorch_lightning.loggers.CSVLogger")
    monkeypatch.setattr(pytorch_lightning.loggers.CSVLogger, "__init__", lambda *_, **__: 1 / 0)
    with pytest.raises(ConfigError, match=r"logger.other: ZeroDivisionError: division by zero"):
        tracking.build_loggers(cfg, tmp_path, IDENTITY)
    assert wandb_calls[-1] == "finish 1"


def test_a_thread_of_a_logger_that_fails_at_the_disk_is_said_in_one_line(caplog, capsys):
    for error, said in ((OSError(28, "No space left on device"), ""), (KeyError("x"), "KeyError: 'x'")):

        def fail(error=error):
            raise error

        before = threading.excepthook
        threading.excepthook = tracking._thread_failed
        try:
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
        finally:
            threading.excepthook = before
        assert said in capsys.readouterr().err
    assert caplog.messages == [
        "a logger has stopped writing (No space left on device); the run directory has everything"
    ]
