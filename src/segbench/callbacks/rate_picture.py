"""The picture of a learning-rate range test, and the rates that it suggests."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from segbench.callbacks.step_losses import StepLosses
from segbench.errors import DivergedError
from segbench.processes import own_share
from segbench.runs.files import atomic_open
from segbench.runs.run_callback import RunCallback, RunContext, only_warning

log = logging.getLogger("segbench")
# Weight of the steps before in the running mean of the losses, and the steps at either end whose slopes say little.
_BEFORE, _ENDS = 0.9, 5
# With fewer steps there is nothing to see.
_LEAST = 4 * _ENDS


class Suggestion(NamedTuple):
    """What a range test finds.

    Attributes:
        smooth: The running mean of the losses after each step, (N,).
        steepest: The rate at which it falls fastest over the logarithm of the rate.
        lowest: The rate at which it is lowest.
    """

    smooth: NDArray[np.float64]
    steepest: float
    lowest: float


def suggest(rates: NDArray[np.float64], losses: NDArray[np.float64]) -> Suggestion:
    """Return what to try, as fastai's ``lr_find`` does by its ``steep`` and ``minimum``.

    Args:
        rates: The rate of each step, (N,), growing.
        losses: Its loss, (N,), finite; N at least 20.
    """
    smooth, mean = np.empty(len(losses)), 0.0
    for step, loss in enumerate(losses):
        mean = _BEFORE * mean + (1 - _BEFORE) * loss
        smooth[step] = mean / (1 - _BEFORE ** (step + 1))
    lowest = _ENDS + int(np.argmin(smooth[_ENDS:]))
    # On the way down to the lowest; the first means are of few steps.
    slopes = np.gradient(smooth, np.log(rates))[_ENDS : max(lowest, _ENDS + 1)]
    return Suggestion(smooth, float(rates[_ENDS + int(np.argmin(slopes))]), float(rates[lowest]))


class RatePicture(RunCallback):
    """Draws the loss of every step over its rate into ``figures/learning_rate.png``, and says which rate to try.

    For a run with the schedule :class:`segbench.schedules.RangeTest`. Where the loss diverges, which ends the run, the
    picture has the steps before.
    """

    changes_result = False

    def __init__(self) -> None:
        self.points: list[list[float]] = []
        self._losses = StepLosses()
        self._context: RunContext | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the rate and the loss of each step so far."""
        return {"points": self.points}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.points = list(state_dict["points"])

    def bind(self, context: RunContext) -> None:
        """Learn where the picture goes."""
        self._context = context

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Learn how many steps were made before."""
        self._losses.start(trainer)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the rate that the step is made with."""
        self._losses.before(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the step's loss, the sum of its batches' shares."""
        task: Any = pl_module
        if shares := self._losses.after(trainer, pl_module):
            task.readings.read(torch.stack(shares), partial(self._note, self._losses.rate))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the picture after the last epoch."""
        task: Any = pl_module
        task.readings.settle()
        if trainer.current_epoch + 1 == trainer.max_epochs:
            self._draw()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Draw the picture of the steps before the loss diverged; what is interrupted goes on, and is drawn then."""
        if isinstance(exception, DivergedError):
            self._draw()

    def _note(self, rate: float, shares: list[float]) -> None:
        self.points.append([rate, sum(shares)])

    def _draw(self) -> None:
        finite = [point for point in self.points if np.isfinite(point[1])]
        if self._context is None or own_share().rank or len(finite) < _LEAST:
            return
        rates, losses = np.array(finite).T
        found, path = suggest(rates, losses), self._context.run.figures / "learning_rate.png"
        log.info(
            "learning rate: the loss falls fastest at %.1e and is lowest at %.1e; try optimizer.lr=%.1e (%s)",
            *(found.steepest, found.lowest, found.steepest, path),
        )
        with only_warning(path), atomic_open(path) as stream:
            _figure(rates, losses, found).savefig(stream, format="png")


def _figure(rates: NDArray[np.float64], losses: NDArray[np.float64], found: Suggestion) -> Figure:
    figure = Figure(figsize=(5, 3), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.semilogx(rates, losses, color="0.75", linewidth=0.8, label="each step")
    axes.semilogx(rates, found.smooth, color="C0", label="running mean")
    axes.axvline(found.steepest, color="C1", linestyle="--", label=f"falls fastest, {found.steepest:.1e}")
    axes.axvline(found.lowest, color="C2", linestyle=":", label=f"lowest, {found.lowest:.1e}")
    # What diverges would hide the rest.
    low, high = found.smooth.min(), found.smooth[: _ENDS + 1].max()
    span = high - low or 1.0
    axes.set_ylim(low - 0.1 * span, high + 0.5 * span)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.legend(fontsize=7)
    return figure
