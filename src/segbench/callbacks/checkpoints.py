"""Saves what a run needs to go on and to be judged: ``last.ckpt`` and ``best.ckpt``."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from segbench.configuration.monitor import LAST_EPOCH
from segbench.errors import CheckpointError, DivergedError, InterruptedRun
from segbench.processes import Agreement
from segbench.runs.checkpoint_io import LAST, load_checkpoint
from segbench.runs.directory import BEST
from segbench.runs.signals import impatient, leave_lost_terminal, take

# After an epoch the state is saved unless that was done this many times as long ago as it took, or so many seconds ago:
# saving then takes a sixtieth of a training of short epochs, and a kill costs a minute more than the epoch at most.
_TIMES_AS_LONG, _SECONDS = 60, 60.0
# What processes agree on: 0 nothing, 1 that it is time to save, more that a signal has come, its number plus this.
_DUE = 1


class RunCheckpoints(Checkpoint):
    """Saves the last state after every epoch, and the best weights of those so far.

    Where epochs are short, some are not saved: saving takes a small part of the time, however short they are. The first
    epoch and the last one are saved always. The best weights are kept in memory until they are saved with, and before,
    the next state that knows of them: so files of any moment belong together.

    On a stop signal (:mod:`segbench.runs.signals`) the step in progress is finished, the state saved and the run ended
    with 128 plus the signal's number, to be started again where it stopped; a second Ctrl-C ends it at once.

    Several processes save together: that one has got a signal, or finds that it is time, all know one step later.

    Args:
        folder: Where the checkpoints go.
        monitor: Score that decides which epoch is best; ``last`` takes the last one, for data without validation.
        mode: ``min`` or ``max``. A score that is not finite is never best; the earlier of two equal ones is kept.
        minutes: Also save the last state when so many minutes have passed within an epoch (None: never).
        every_n_steps: Also save it every so many optimiser steps, at an epoch's end too (None: never).
        run: The run's identity, which the best weights must have; None for any.
    """

    def __init__(
        self,
        folder: Path,
        monitor: str,
        mode: str,
        minutes: float | None = None,
        every_n_steps: int | None = None,
        run: str | None = None,
    ) -> None:
        self.folder, self.run = folder, run
        self.monitor, self.mode = monitor, mode
        self.minutes, self.every_n_steps = minutes, every_n_steps
        self.best: dict[str, Any] = {"epoch": None, "value": None, "monitor": monitor}
        self.stop_signal: int | None = None
        self._ended = False
        # The best weights that are not saved yet, as their file will have them.
        self._held: dict[str, Any] | None = None
        self._saved_at, self._took = time.monotonic(), 0.0
        self._step_due = False
        self._agreement = Agreement()

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch so far, and whether training ended with the saved one, before its last."""
        return {**self.best, "ended": self._ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.best = dict(state_dict)
        self._ended = self.best.pop("ended", False)

    def load_best(self) -> dict[str, Any]:
        """Return the best weights of a training that has ended; ``best`` is then what their file says of itself.

        A run that was killed after it saved them, and took another course when it went on (on a GPU the bits may
        differ), may remember another epoch.

        Raises:
            DivergedError: If no epoch was best, as the score was never finite.
            CheckpointError: If the file is gone, damaged or another run's.
        """
        path = self.folder / BEST
        if path.is_file():
            stored = load_checkpoint(path, run=self.run)
            self.best = dict(stored["segbench"].get("best", self.best))
            return stored["state_dict"]
        if self.best["epoch"] is None:
            raise DivergedError(f"{self.monitor} was never finite, so no epoch is best; lower optimizer.lr")
        raise CheckpointError(
            f"{path}: gone, though epoch {self.best['epoch'] + 1} was saved there; start again with rerun=true"
        )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Be the last callback, also after those that a network brings, so that what is saved is what all have done."""
        trainer.callbacks = [*(callback for callback in trainer.callbacks if callback is not self), self]  # type: ignore[attr-defined]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train no further where the restored state says that a callback had ended the training."""
        trainer.should_stop = trainer.should_stop or self._ended

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the stop signals from Lightning, which would exit with 0 and save nothing."""
        if threading.current_thread() is threading.main_thread():
            take(self._on_signal)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save within an epoch where it is due, but never gradients half accumulated, which no checkpoint holds.

        The last batch leaves it to the epoch's end.
        """
        last = batch_idx + 1 >= trainer.num_training_batches or trainer.should_stop
        self._step_due = self.every_n_steps is not None and trainer.global_step % self.every_n_steps == 0
        if last or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        agreed = self._agreement.next(self._asked() or (_DUE if self._minutes_due() else 0))
        if self._step_due or agreed:
            self._save_last(trainer, pl_module, agreed)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights as the best if this epoch is better than all before."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING or self.monitor == LAST_EPOCH:
            return
        value = float(trainer.callback_metrics[self.monitor])
        if self._improves(value):
            self._hold_best(trainer, pl_module, value)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last state where it is due, also as the best where no score decides."""
        self._ended = trainer.should_stop
        over = trainer.should_stop or trainer.current_epoch + 1 >= (trainer.max_epochs or 0)
        due = over or self._step_due or self._minutes_due() or self._epoch_due()
        if agreed := self._agreement.now(self._asked() or (_DUE if due else 0)):
            if self.monitor == LAST_EPOCH:
                self._hold_best(trainer, pl_module, None)
            self._save_last(trainer, pl_module, agreed)

    def _epoch_due(self) -> bool:
        return time.monotonic() - self._saved_at >= min(_TIMES_AS_LONG * self._took, _SECONDS)

    def _minutes_due(self) -> bool:
        return self.minutes is not None and time.monotonic() - self._saved_at > self.minutes * 60

    def _hold_best(self, trainer: pl.Trainer, pl_module: pl.LightningModule, value: float | None) -> None:
        self.best = {"epoch": trainer.current_epoch, "value": value, "monitor": self.monitor}
        # Lightning saves no state of callbacks with weights alone.
        task: Any = pl_module
        task.remember(best=dict(self.best))
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=True)
        if trainer.is_global_zero:
            self._held = _copied(checkpoint)

    def _improves(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self.best["value"] is None:
            return True
        return value < self.best["value"] if self.mode == "min" else value > self.best["value"]

    def _save_last(self, trainer: pl.Trainer, pl_module: pl.LightningModule, agreed: int) -> None:
        began = time.monotonic()
        if trainer.is_global_zero:
            task: Any = pl_module
            # A loss that a GPU had not computed yet says more: the step, and its images.
            task.readings.settle()
            _refuse_non_finite(task.state_dict(), task.global_step)
        if self._held is not None:
            _refuse_non_finite(self._held["state_dict"], self._held["global_step"])
            # Not after the state, which says that they are there.
            trainer.strategy.save_checkpoint(self._held, self.folder / BEST)
            self._held = None
        trainer.save_checkpoint(self.folder / LAST)
        self._saved_at = time.monotonic()
        self._took = self._saved_at - began
        if agreed > _DUE:
            raise InterruptedRun(agreed - _DUE)

    def _asked(self) -> int:
        return self.stop_signal + _DUE if self.stop_signal else 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        leave_lost_terminal()
        if self.stop_signal is None:
            self.stop_signal = number
        elif impatient(self.stop_signal, number):
            raise InterruptedRun(number)


def _refuse_non_finite(weights: Mapping[str, Tensor], step: int) -> None:
    """Raise if a weight, or what is counted and not learned such as a batch normalisation's mean, is not finite."""
    parts = [torch.view_as_real(weight) if weight.is_complex() else weight for weight in weights.values()]
    # One pass over the weights is enough, unless they are so large that their sum is not finite.
    if torch.stack([part.sum(dtype=torch.float32) for part in parts]).isfinite().all():
        return
    finite = torch.stack([torch.isfinite(weight).all() for weight in weights.values()]).tolist()
    for name, is_finite in zip(weights, finite, strict=True):
        if not is_finite:
            raise DivergedError(f"weight {name} is not finite at step {step}; lower optimizer.lr")


def _copied(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint that training does not change any more, in the processor's memory."""
    weights = copy.copy(checkpoint["state_dict"])
    for name, weight in weights.items():
        # Detached already; either copies, and of what is there a clone is cheaper.
        weights[name] = weight.clone() if weight.is_cpu else weight.cpu()
    rest = {name: value for name, value in checkpoint.items() if name != "state_dict"}
    return copy.deepcopy(rest) | {"state_dict": weights}
