"""A run that is asked to stop ends as interrupted, whatever it is doing."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf
from pytorch_lightning.utilities.exceptions import SIGTERMException

import segbench.train
from segbench.commands.run import job
from segbench.data.phantom import PhantomData
from segbench.errors import InterruptedRun
from segbench.runs.directory import RunDirectory
from segbench.runs.failures import as_refusal
from segbench.runs.signals import StopRequested, leave_lost_terminal, stop_signals
from segbench.tasks import SegmentationTask
from segbench.train import train

PLACES = {
    "reading data": (PhantomData, "setup"),
    "the end of training": (SegmentationTask, "on_train_end"),
    "a step of the test": (SegmentationTask, "test_step"),
    "writing scores": (segbench.train, "write_scores"),
    "closing the loggers": (segbench.train.tracking, "finish"),
}
# As the README says, and every shell.
CODES = {
    signal.SIGHUP: 129,
    signal.SIGINT: 130,
    signal.SIGUSR1: 138,
    signal.SIGUSR2: 140,
    signal.SIGTERM: 143,
    signal.SIGXCPU: 152,
}
EVERY_DAY = ("reading data", "a step of the test")


@pytest.fixture(autouse=True)
def handlers():
    """Make a signal that nobody handles an error of the test instead of its end."""

    def escaped(number, frame):
        raise AssertionError("nobody handled the signal")

    previous = {number: signal.signal(number, escaped) for number in CODES}
    yield
    for number, handler in previous.items():
        assert signal.getsignal(number) is escaped, "a handler was left behind"
        signal.signal(number, handler)


def run(cfg, directory):
    identity = {"id": "0", "name": "run", "experiment": "runs", "choices": {}, "overrides": [], "seed": cfg.seed}
    train(cfg, RunDirectory(directory), identity)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=() if place in EVERY_DAY else pytest.mark.slow) for place in PLACES]
)
def test_a_signal_anywhere_is_an_interruption_and_a_restart_goes_on(tiny, tmp_path, monkeypatch, place, number):
    owner, name = PLACES[place]
    original = getattr(owner, name)

    def signalled(*arguments, **options):
        signal.raise_signal(number)
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, signalled)
    cfg = tiny(tmp_path, "trainer.max_epochs=1", "~logger.tensorboard", "~callbacks.panels")
    with pytest.raises(InterruptedRun) as refusal:
        run(cfg, tmp_path / "run")
    assert refusal.value.exit_code == 128 + number
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 128 + number)
    assert signal.Signals(number).name in status["reason"]
    if number == signal.SIGTERM and place == "a step of the test":
        monkeypatch.undo()
        run(cfg, tmp_path / "run")
        assert RunDirectory(tmp_path / "run").state() == "done"


@pytest.mark.parametrize("number", CODES)
def test_every_stop_signal_is_an_interruption(tmp_path, number):
    with stop_signals(), pytest.raises(StopRequested) as stopped:
        signal.raise_signal(number)
    assert as_refusal(stopped.value, tmp_path).exit_code == CODES[number]


@pytest.mark.parametrize("number", sorted({*CODES} - {signal.SIGTERM, signal.SIGINT}))
def test_what_was_ignored_before_is_ignored_still(number):
    before = signal.signal(number, signal.SIG_IGN)
    with stop_signals():
        signal.raise_signal(number)
    assert signal.signal(number, before) == signal.SIG_IGN


def test_what_fails_after_a_stop_signal_is_its_consequence(tmp_path):
    with pytest.raises(RuntimeError) as failed:
        try:
            raise StopRequested(signal.SIGTERM)
        finally:
            raise RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")
    assert as_refusal(failed.value, tmp_path).exit_code == 143


def test_a_closed_terminal_is_left():
    ours, theirs = os.openpty()
    kept = os.dup(1)
    try:
        os.dup2(theirs, 1)
        os.close(theirs)
        os.close(ours)
        with pytest.raises(OSError, match="Input/output"):
            os.write(1, b"lost")
        leave_lost_terminal()
        os.write(1, b"nowhere")
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def test_a_terminal_or_a_file_that_is_there_is_kept(tmp_path):
    kept = os.dup(1)
    try:
        with (tmp_path / "out").open("wb") as file:
            os.dup2(file.fileno(), 1)
        leave_lost_terminal()
        os.write(1, b"said")
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert (tmp_path / "out").read_bytes() == b"said"


def test_only_an_impatient_signal_disturbs_the_ending():
    """A second Ctrl-C is one. A scheduler and a sweep may both send SIGTERM."""
    with stop_signals():
        with pytest.raises(StopRequested):
            signal.raise_signal(signal.SIGTERM)
        for number in CODES:
            signal.raise_signal(number)
    with stop_signals() as stop:
        with pytest.raises(StopRequested):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(StopRequested):
            signal.raise_signal(signal.SIGINT)
        stop.settle()
        signal.raise_signal(signal.SIGINT)


def test_what_lightning_makes_of_signals_is_an_interruption(tmp_path):
    assert as_refusal(SIGTERMException(), tmp_path).exit_code == 143
    assert as_refusal(KeyboardInterrupt(), tmp_path).exit_code == 130
    left = SystemExit(1)
    left.__context__ = KeyboardInterrupt()
    assert as_refusal(left, tmp_path).exit_code == 130
    other = SystemExit(1)
    assert as_refusal(other, tmp_path) is other


def test_a_stopped_job_ends_a_sweep_of_hydras_own_launchers(repository, tmp_path, monkeypatch, compose):
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    def stopped(*_):
        raise InterruptedRun(signal.SIGTERM)

    node = SimpleNamespace(
        runtime=SimpleNamespace(choices={}, output_dir=str(tmp_path)),
        overrides=SimpleNamespace(task=OmegaConf.create([])),
        mode=RunMode.MULTIRUN,
    )
    monkeypatch.setattr(HydraConfig, "get", lambda: node)
    monkeypatch.setattr(segbench.train, "train", stopped)
    with pytest.raises(SystemExit) as left:
        job.__wrapped__(compose())
    assert left.value.code == 143


@pytest.fixture
def command(repository, tmp_path):
    settings = ("data.subjects=8", "data.slices=2", "data.size=[32,32]", "model.width=2", "trainer.max_epochs=400")
    return [sys.executable, str(repository / "src" / "run.py"), f"paths.outputs={tmp_path}", *settings]


def wait_for_a_checkpoint(folder, meanwhile):
    deadline = time.monotonic() + 120
    while not list((folder / "runs").glob("*/checkpoints/last.ckpt")):
        assert time.monotonic() < deadline
        meanwhile()


@pytest.mark.slow
def test_a_run_whose_terminal_is_closed_saves_and_ends(command, tmp_path):
    """With a bar on it, each line of which would be an error from then on."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(command[0], [*command, "trainer.progress=bar"], {**os.environ, "OMP_NUM_THREADS": "1"})

    def read():
        if select.select([terminal], [], [], 0.1)[0]:
            os.read(terminal, 65536)

    wait_for_a_checkpoint(tmp_path, read)
    os.close(terminal)  # The kernel sends SIGHUP.
    _, ended = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(ended) == 129
    (status,) = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/status.json")]
    assert status["reason"].startswith("stopped by SIGHUP")


@pytest.mark.slow
def test_under_nohup_a_closed_terminal_is_nothing(command, tmp_path):
    with subprocess.Popen(["nohup", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_a_checkpoint(tmp_path, lambda: time.sleep(0.1))
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.send_signal(signal.SIGUSR1)
        assert process.wait(30) == 138
