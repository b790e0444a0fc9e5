"""What steers a training — schedules, callbacks — goes on after a stop as if there had been none."""

import signal

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping

import segbench.fitting
import segbench.train
from segbench.callbacks import Curves
from segbench.errors import InterruptedRun
from segbench.runs.checkpoint_io import load_checkpoint

SCHEDULES = {
    "plateau": ("scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.03"),
    "constant": ("scheduler=constant",),
    "cosine": ("scheduler=cosine",),
    "table": ("scheduler=epoch_table", "scheduler.rates=[[1,1e-3],[3,3e-4],[9,1e-4]]"),
    "exponential": ("scheduler=exponential_floor", "optimizer.lr=3e-3"),
    "steps": ("scheduler=steps", "scheduler.milestones=[2,4]"),
    "poly": ("scheduler=poly", "scheduler.warmup=1.5"),
    "one cycle by steps": ("scheduler=one_cycle",),
    "warmup": ("LinearLR, start_factor: 0.1, total_iters: 4",),
    "polynomial": ("PolynomialLR, total_iters: 5, power: 0.9",),
    "restarts": ("CosineAnnealingWarmRestarts, T_0: 2",),
    "cyclic": ("CyclicLR, base_lr: 1e-4, max_lr: 1e-2, step_size_up: 2, cycle_momentum: false",),
    "one cycle": ("OneCycleLR, max_lr: 1e-2, total_steps: 8",),
}


def overrides_of(name):
    first, *further = SCHEDULES[name]
    if first.startswith("scheduler="):
        return [first, *further]
    return ["~scheduler", f"+scheduler={{_target_: torch.optim.lr_scheduler.{first}}}"]


@pytest.fixture
def stopped(run, monkeypatch):
    """Run a configuration that is stopped by a signal in these epochs, and started again each time."""

    def ran(cfg, directory, epochs):
        write = Curves.on_train_epoch_end

        def signalled(curves, trainer, task):
            write(curves, trainer, task)
            if trainer.current_epoch + 1 in epochs:
                signal.raise_signal(signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr(Curves, "on_train_epoch_end", signalled)
            for _ in epochs:
                with pytest.raises(InterruptedRun):
                    run(cfg, directory)
        return run(cfg, directory)

    return ran


def curves(directory):
    return pd.read_csv(directory / "metrics.csv").drop(columns="seconds")


def last(directory):
    return load_checkpoint(directory / "checkpoints" / "last.ckpt")


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_stop_changes_no_learning_rate(run, stopped, tiny, tmp_path, name):
    cfg = tiny(tmp_path, "trainer.max_epochs=6", "~logger.tensorboard", *overrides_of(name))
    run(cfg, tmp_path / "whole")
    stopped(cfg, tmp_path / "stopped", epochs=(2, 3, 5))
    whole, again = last(tmp_path / "whole"), last(tmp_path / "stopped")
    pd.testing.assert_frame_equal(curves(tmp_path / "stopped"), curves(tmp_path / "whole"), check_exact=True)
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert same(again[part], whole[part])


@pytest.mark.slow
def test_a_plateau_is_found_by_every_validation(run, stopped, tiny, tmp_path):
    """The rates follow from the losses by torch's own schedule, one observation an epoch, whoever stops when."""
    settings = ("scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.01", "trainer.accumulate_grad_batches=2")
    cfg = tiny(tmp_path, "trainer.max_epochs=7", "loss=ce", "data.batch_size=2", "~logger.tensorboard", *settings)
    stopped(cfg, tmp_path / "run", epochs=(4,))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    found, rates = curves(tmp_path / "run"), []
    for loss in found["val/loss"]:
        rates.append(optimizer.param_groups[0]["lr"])
        schedule.step(loss)
    assert found["lr"].tolist() == rates


class Stateful(pl.Callback):
    """Keeps what it is told of the training, and asks for its end."""

    def __init__(self, stop_after=None):
        self.told, self.stop_after = [], stop_after

    def state_dict(self):
        return {"told": list(self.told)}

    def load_state_dict(self, state_dict):
        self.told = list(state_dict["told"])

    def on_train_epoch_start(self, trainer, pl_module):
        self.told.append(["epoch start", trainer.current_epoch])

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.told.append(["batch end", batch_idx])

    def on_validation_end(self, trainer, pl_module):
        self.told.append(["validation end", trainer.current_epoch])

    def on_train_epoch_end(self, trainer, pl_module):
        self.told.append(["epoch end", trainer.current_epoch])
        trainer.should_stop = trainer.should_stop or trainer.current_epoch + 1 == self.stop_after


class StatefulCheckpoint(Stateful, pl.callbacks.Checkpoint):
    """One that Lightning calls with those that save."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Stateful, StatefulCheckpoint])
def test_a_callback_of_one_s_own_is_told_everything_once(stopped, tiny, tmp_path, monkeypatch, kind):
    own = kind()
    build = segbench.fitting.build_callbacks
    monkeypatch.setattr(segbench.fitting, "build_callbacks", lambda *parts: [*build(*parts), own])
    stopped(tiny(tmp_path, "~logger.tensorboard"), tmp_path / "run", epochs=(2,))
    batches = len({number for what, number in own.told if what == "batch end"})
    assert own.told == [
        told
        for epoch in range(3)
        for told in (
            ["epoch start", epoch],
            *(["batch end", batch] for batch in range(batches)),
            ["validation end", epoch],
            ["epoch end", epoch],
        )
    ]


@pytest.mark.slow
def test_a_callback_that_a_network_brings_has_done_its_work_before_the_run_is_saved(run, tiny, tmp_path, monkeypatch):
    own = StatefulCheckpoint()
    monkeypatch.setattr(segbench.tasks.SegmentationTask, "configure_callbacks", lambda task: [own])
    run(tiny(tmp_path, "trainer.max_epochs=1", "~logger.tensorboard"), tmp_path / "run")
    assert last(tmp_path / "run")["callbacks"]["StatefulCheckpoint"]["told"][-1] == ["epoch end", 0]


@pytest.mark.slow
@pytest.mark.parametrize("callback", [Stateful(stop_after=2), EarlyStopping("val/loss", stopping_threshold=100.0)])
def test_a_training_that_any_callback_has_ended_stays_ended(run, tiny, tmp_path, monkeypatch, callback):
    build = segbench.fitting.build_callbacks
    monkeypatch.setattr(segbench.fitting, "build_callbacks", lambda *parts: [*build(*parts), callback])
    cfg = tiny(tmp_path, "~logger.tensorboard")
    with monkeypatch.context() as patch:
        patch.setattr(segbench.train, "write_scores", lambda *_: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(InterruptedRun):
            run(cfg, tmp_path / "run")
    before = curves(tmp_path / "run")
    assert len(before) < 3
    summary = run(cfg, tmp_path / "run")
    pd.testing.assert_frame_equal(curves(tmp_path / "run"), before)
    assert summary["epochs"] == len(before)
