"""A run that is asked to stop ends as interrupted, whatever it is doing."""

import json
import runpy
import signal
from types import SimpleNamespace

import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

import segbench.train
from segbench.data.phantom import PhantomData
from segbench.errors import InterruptedRun
from segbench.runs.directory import RunDirectory
from segbench.runs.failures import as_refusal
from segbench.runs.signals import StopRequested, stop_signals
from segbench.tasks import SegmentationTask
from segbench.train import train

PLACES = {
    "reading data": (PhantomData, "setup"),
    "the end of training": (SegmentationTask, "on_train_end"),
    "a step of the test": (SegmentationTask, "test_step"),
    "writing scores": (segbench.train, "write_scores"),
    "closing the loggers": (segbench.train.tracking, "finish"),
}
EVERY_DAY = ("reading data", "a step of the test")


@pytest.fixture(autouse=True)
def handlers():
    """Make a signal that nobody handles an error of the test instead of its end."""

    def escaped(number, frame):
        raise AssertionError("nobody handled the signal")

    previous = {number: signal.signal(number, escaped) for number in (signal.SIGTERM, signal.SIGINT)}
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


def test_only_the_same_signal_again_disturbs_the_ending():
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
        overrides=SimpleNamespace(task=[]),
        mode=RunMode.MULTIRUN,
    )
    monkeypatch.setattr(HydraConfig, "get", lambda: node)
    monkeypatch.setattr(segbench.train, "train", stopped)
    job = runpy.run_path(str(repository / "src" / "run.py"), run_name="run")["job"]
    with pytest.raises(SystemExit) as left:
        job.__wrapped__(compose())
    assert left.value.code == 143
