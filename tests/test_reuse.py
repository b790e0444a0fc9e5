"""Runs that differ only in how they predict are trained once."""

import json
import logging
import shutil

import pandas as pd
import pytest
import torch

from segbench.reuse import trained_beside
from segbench.runs.checkpoint_io import load_checkpoint
from segbench.runs.directory import RunDirectory
from segbench.runs.identity import run_id
from segbench.tasks import SegmentationTask


def named(cfg, folder):
    return folder / f"phantom-unet-dice-seed{cfg.seed}-{run_id(cfg)}"


@pytest.fixture(scope="module")
def trained(tiny, run, tmp_path_factory):
    """A finished run in a folder of its own."""
    folder = tmp_path_factory.mktemp("trained")
    cfg = tiny(folder)
    run(cfg, named(cfg, folder / "runs"))
    return folder


@pytest.fixture
def plain(tiny, trained, tmp_path):
    """A copy of the finished run, in a folder without others."""
    directory = named(tiny(trained), tmp_path / "runs")
    shutil.copytree(named(tiny(trained), trained / "runs"), directory)
    return directory


def of_epochs(run):
    return pd.read_csv(run / "metrics.csv").drop(columns="seconds")


@pytest.mark.slow
def test_what_is_taken_over_is_what_a_training_of_its_own_gives(
    tiny, run, trained, plain, tmp_path, monkeypatch, caplog
):
    cfg = tiny(trained, "predict.tta=flips")
    alone = named(cfg, tmp_path / "alone")
    own = run(cfg, alone)
    assert "weights_of" not in own
    monkeypatch.setattr(SegmentationTask, "batch_loss", lambda *_: pytest.fail("it is trained again"))
    taken = named(cfg, plain.parent)
    with caplog.at_level(logging.INFO, logger="segbench"):
        summary = run(cfg, taken)
    assert f"{plain.name} has these weights and predicts otherwise" in caplog.text
    assert summary["weights_of"] == json.loads((taken / "run.json").read_text())["weights_of"] == [plain.name]
    assert (taken / "scores.parquet").read_bytes() == (alone / "scores.parquet").read_bytes()
    assert summary["best"] == own["best"]
    assert summary["epochs"] == own["epochs"]
    assert summary["cost"]["wall_seconds"] == pytest.approx(
        json.loads((plain / "summary.json").read_text())["cost"]["wall_seconds"], abs=2
    )
    pd.testing.assert_frame_equal(of_epochs(taken), of_epochs(alone))
    one, two = (load_checkpoint(path / "checkpoints" / "best.ckpt") for path in (taken, alone))
    assert one["segbench"] == two["segbench"]
    assert all(torch.equal(weight, two["state_dict"][name]) for name, weight in one["state_dict"].items())
    # And the other way round.
    again = tiny(trained)
    assert run(again, named(again, alone.parent))["weights_of"] == [alone.name]


@pytest.mark.slow
def test_weights_of_other_data_are_not_taken_over(tiny, run, trained, plain, caplog):
    identity = plain / "run.json"
    identity.write_text(json.dumps(json.loads(identity.read_text()) | {"data_content": "0" * 32}))
    cfg = tiny(trained, "predict.tta=flips")
    with caplog.at_level(logging.INFO, logger="segbench"):
        assert "weights_of" not in run(cfg, named(cfg, plain.parent))
    assert "not taken over, so trained here:" in caplog.text
    assert "the data files or their reading changed since this run began" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("key", ["predict.window=[16,16]", "optimizer.lr=0.002", "seed=1"])
def test_what_acts_in_training_is_trained(tiny, trained, plain, key):
    beside = RunDirectory(plain.parent / "new")
    assert trained_beside(beside, tiny(trained, "predict.tta=flips"))[0].path == plain
    assert trained_beside(beside, tiny(trained, "predict.tta=flips", key)) is None
    assert trained_beside(RunDirectory(plain), tiny(trained)) is None
