"""Whole runs in two processes, from the command line: they equal one process, end together, and go on to the same bits."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import torch

from segbench.errors import CheckpointError
from segbench.runs.checkpoint_io import load_checkpoint, newest_good
from segbench.runs.files import read_json

pytestmark = pytest.mark.slow
# Without batch normalisation; the last batch of an epoch has one image fewer, which is another share for each process.
SETTINGS = (
    *("data.subjects=12", "data.slices=2", "data.size=[32,32]", "data.batch_size=5", "model=gland_a", "loss=ce_dice"),
    *("augmentation=cutmix", "optimizer=sgd", "optimizer.lr=0.05", "trainer.max_epochs=7", "trainer.accelerator=cpu"),
    *("callbacks=ema", "callbacks.ema.decay=0.9", "scheduler=poly", "scheduler.warmup=0.5", "data.oversample=1.0"),
)
TWO = ("trainer.devices=2", "trainer.strategy=ddp", "trainer.checkpoint_every_n_steps=1")


def start(repository, folder, *overrides):
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(repository / "src" / "run.py"), *SETTINGS, *overrides]
    log = (folder / "log").open("a")
    return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def finish(repository, folder, *overrides):
    """Run to the end and return the run directory."""
    assert start(repository, folder, *overrides).wait(300) == 0, (folder / "log").read_text()
    return next(folder.glob("outputs/runs/*/"))


def state(run):
    last = load_checkpoint(run / "checkpoints" / "last.ckpt")
    best = load_checkpoint(run / "checkpoints" / "best.ckpt")
    trained = last["callbacks"]["WeightAverage"]["other"]
    return last["state_dict"], best["state_dict"], trained, last["optimizer_states"][0]["state"]


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return all(map(same, a, b)) if isinstance(a, tuple) else a == b


@pytest.fixture(scope="module")
def two(repository, tmp_path_factory):
    """A run in two processes that nothing stops."""
    return finish(repository, tmp_path_factory.mktemp("two"), *TWO)


def test_two_processes_end_where_one_does(repository, tmp_path, two):
    one = finish(repository, tmp_path)
    assert one.name == two.name
    (expected, *_), (found, *_) = state(one), state(two)
    assert load_checkpoint(two / "checkpoints" / "last.ckpt")["global_step"] >= 20
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-6)
    pd.testing.assert_frame_equal(*(pd.read_parquet(run / "scores.parquet") for run in (one, two)))
    assert (one / "predictions.zip").read_bytes() == (two / "predictions.zip").read_bytes()
    files = [
        sorted(str(path.relative_to(run)) for path in run.rglob("*") if "tfevents" not in path.name)
        for run in (one, two)
    ]
    assert files[1] == sorted({*files[0], "checkpoints/previous.ckpt"})
    cost = read_json(two / "summary.json")["cost"]
    assert (cost["processes"], cost["device"][:4]) == (2, "2 x ")
    assert "goes on in" not in (two.parents[2] / "log").read_text()


def other_of(process):
    """The process that a run has started."""
    found = subprocess.run(
        ["pgrep", "-P", str(process.pid), "-f", "segbench.following"], capture_output=True, text=True
    )
    return int(found.stdout)


def exists(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start_and_save(repository, folder, steps):
    """Start a run and return its process and the one that it has started, once it has made some steps."""
    process = start(repository, folder, *TWO)
    while process.poll() is None:
        time.sleep(0.05)
        for run in folder.glob("outputs/runs/*/"):
            # What is read may just be taking another name.
            with suppress(CheckpointError):
                newest = newest_good(run / "checkpoints")[0]
                if newest is not None and load_checkpoint(newest)["global_step"] >= steps:
                    return process, other_of(process), run
    raise AssertionError((folder / "log").read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_they_end_together_and_go_on_to_the_same_bits(repository, tmp_path, two):
    """One is killed, then the other, then all are asked to stop; what is left goes on to the end."""
    process, other, run = start_and_save(repository, tmp_path, 2)
    os.kill(other, signal.SIGKILL)
    assert process.wait(30) == 71
    status = read_json(run / "status.json")
    assert (status["state"], status["exit_code"]) == ("failed", 71)
    assert status["reason"] == "process 1 of 2 was killed by SIGKILL; run the same command again to resume"

    process, other, run = start_and_save(repository, tmp_path, 4)
    process.kill()
    until = time.monotonic() + 30
    while exists(other):
        assert time.monotonic() < until
        time.sleep(0.05)

    process, other, run = start_and_save(repository, tmp_path, 6)
    process.terminate()
    assert process.wait(60) == 143
    assert not exists(other)

    assert same(state(finish(repository, tmp_path, *TWO)), state(two))
    assert "Traceback" not in (tmp_path / "log").read_text()
