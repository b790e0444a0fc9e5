"""W&B and TensorBoard, read back from what they wrote."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import segbench.train
from segbench.errors import DataError
from segbench.runs.directory import RunDirectory
from segbench.runs.identity import run_id
from segbench.train import train


def run(cfg, directory):
    identity = {
        "id": run_id(cfg),
        "name": directory.name,
        "experiment": "exp",
        "choices": {},
        "overrides": [],
        "seed": cfg.seed,
    }
    train(cfg, RunDirectory(directory), identity)


def inspect(path):
    """Read an offline W&B run with W&B's own tool."""
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    return [json.loads(line) for line in lines if line.strip()]


@pytest.fixture
def offline(monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/nonexistent")
    monkeypatch.setenv("HOME", "/nonexistent-home")


def test_without_a_key_a_run_is_kept_offline_with_one_line_and_goes_on_as_the_same_run(
    tiny, tmp_path, offline, monkeypatch, caplog
):
    directory = tmp_path / "run"
    cfg = tiny(tmp_path, "logger=wandb", "trainer.log_every_n_steps=1", "callbacks.panels.every_n_epochs=1")
    monkeypatch.setattr(segbench.train, "_write_scores", lambda *_: (_ for _ in ()).throw(DataError("stop here")))
    with caplog.at_level(logging.INFO), pytest.raises(DataError):
        run(cfg, directory)
    monkeypatch.delattr(segbench.train, "_write_scores", raising=False)
    monkeypatch.undo()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert caplog.text.count("W&B: not logged in") == 1
    run(cfg, directory)

    files = sorted((directory / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    ids = {path.stem.removeprefix("run-") for path in files}
    assert ids == {json.loads((directory / "run.json").read_text())["wandb_id"]}
    text = json.dumps([inspect(path) for path in files])
    for expected in ("val/dice_left ventricle", "train/loss", "max_epochs", "predictions", "exp", "peak_memory_bytes"):
        assert expected in text, expected
    assert list((directory / "wandb").rglob("media/images/mask/*.png"))


def test_tensorboard_has_the_curves(tiny, tmp_path):
    run(tiny(tmp_path, "trainer.log_every_n_steps=1"), tmp_path / "run")
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
