"""An average of weights, against one that is taken by hand of every step's weights."""

import pytest
import pytorch_lightning as pl
import torch

import segbench.fitting
from segbench.callbacks import WeightAverage
from segbench.configuration.build import build
from segbench.errors import ConfigError, InterruptedRun
from segbench.runs.checkpoint_io import load_checkpoint
from segbench.runs.identity import run_id

EMA = ("callbacks=ema", "callbacks.ema.decay=0.9", "trainer.accumulate_grad_batches=2", "~logger.tensorboard")


class Steps(pl.Callback):
    """Keeps the weights after every step of the optimiser, and what is validated."""

    def __init__(self, stop_at=None):
        self.weights, self.validated, self.stop_at = [], [], stop_at

    def on_train_start(self, trainer, pl_module):
        self.weights.append(self.copy(pl_module))

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_step == len(self.weights):
            self.weights.append(self.copy(pl_module))
        if trainer.global_step == self.stop_at:
            raise InterruptedRun(15)

    def on_validation_end(self, trainer, pl_module):
        self.validated.append(self.copy(pl_module))

    @staticmethod
    def copy(module):
        return {name: value.clone() for name, value in module.state_dict().items()}


def averages(weights, decay, ramp):
    """The average after each step, in float64."""
    average = {name: value.double() for name, value in weights[0].items() if value.is_floating_point()}
    found = []
    for number, state in enumerate(weights[1:], 1):
        d = min(decay, (1 + number) / (10 + number)) if ramp else decay
        average = {name: d * average[name] + (1 - d) * state[name].double() for name in average}
        found.append(average)
    return found


def close(state, average):
    for name, value in average.items():
        torch.testing.assert_close(state[name].double(), value, rtol=1e-5, atol=1e-7)


def trained(run, cfg, folder, monkeypatch, steps):
    made = segbench.fitting.build_callbacks
    with monkeypatch.context() as patch:
        patch.setattr(segbench.fitting, "build_callbacks", lambda *parts: [*made(*parts), steps])
        return run(cfg, folder)


def stored(folder, name):
    return load_checkpoint(folder / "checkpoints" / name)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_average_is_validated_selected_and_kept(run, tiny, tmp_path, monkeypatch):
    steps = Steps()
    summary = trained(run, tiny(tmp_path, *EMA), tmp_path / "run", monkeypatch, steps)
    expected, each = averages(steps.weights, 0.9, ramp=True), (len(steps.weights) - 1) // 3
    for epoch, found in enumerate(steps.validated[:3]):
        close(found, expected[(epoch + 1) * each - 1])
    assert same(stored(tmp_path / "run", "best.ckpt")["state_dict"], steps.validated[summary["best"]["epoch"] - 1])
    last = stored(tmp_path / "run", "last.ckpt")
    assert same(last["state_dict"], steps.validated[2])
    assert same(last["callbacks"]["WeightAverage"]["other"], steps.weights[-1])
    assert not same(last["state_dict"], steps.weights[-1])


@pytest.mark.slow
def test_the_weights_are_trained_as_without_it(run, tiny, tmp_path, monkeypatch):
    steps, plain = Steps(), Steps()
    trained(run, tiny(tmp_path, *EMA), tmp_path / "run", monkeypatch, steps)
    trained(run, tiny(tmp_path, *EMA, "~callbacks.ema"), tmp_path / "plain", monkeypatch, plain)
    assert all(same(a, b) for a, b in zip(steps.weights, plain.weights, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [2, 3, 4, 5])
def test_a_resumed_run_has_the_same_average(run, tiny, tmp_path, monkeypatch, stop_at):
    cfg = tiny(tmp_path, *EMA, "trainer.checkpoint_every_n_steps=1")
    run(cfg, tmp_path / "whole")
    with pytest.raises(InterruptedRun):
        trained(run, cfg, tmp_path / "run", monkeypatch, Steps(stop_at))
    run(cfg, tmp_path / "run")
    for name in ("best.ckpt", "last.ckpt"):
        whole, again = stored(tmp_path / "whole", name), stored(tmp_path / "run", name)
        assert same(again["state_dict"], whole["state_dict"])
    again, whole = (stored(tmp_path / name, "last.ckpt")["callbacks"]["WeightAverage"] for name in ("run", "whole"))
    assert same(again["other"], whole["other"])


@pytest.mark.slow
def test_without_validation_the_last_average_is_the_best(run, tiny, tmp_path, monkeypatch):
    steps = Steps()
    cfg = tiny(tmp_path, *EMA, "trainer.monitor=last", "callbacks.ema.ramp=false")
    trained(run, cfg, tmp_path / "run", monkeypatch, steps)
    close(stored(tmp_path / "run", "best.ckpt")["state_dict"], averages(steps.weights, 0.9, ramp=False)[-1])


@pytest.mark.slow
def test_it_is_part_of_the_run_s_identity(compose):
    choices = [], ["callbacks=ema"], ["callbacks=ema", "callbacks.ema.decay=0.5"]
    assert len({run_id(compose(*choice)) for choice in choices}) == 3


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_out_of_range_is_refused(compose, decay):
    with pytest.raises(ConfigError, match=f"decay={decay} of the average"):
        WeightAverage(decay)
    assert build("callbacks.ema", compose("callbacks=ema")).decay == 0.999
