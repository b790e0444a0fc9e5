"""Progress on a terminal: a bar with the running loss and the time left."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_REFRESHES = 0.25


class TerminalBar(RichProgressBar):
    """Lightning's bar in one line, on standard error as the log is, with epochs counted from 1 as there.

    It is refreshed by the clock rather than by the step, so that tiny networks do not wait for it.
    """

    def __init__(self) -> None:
        super().__init__(leave=False, console_kwargs={"stderr": True})
        self._refreshed = 0.0

    def configure_columns(self, trainer: pl.Trainer) -> list[Any]:
        """Return what stands before the scores."""
        progress = TextColumn("{task.completed:.0f}/{task.total:.0f}")
        return [
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            progress,
            TimeRemainingColumn(compact=True),
        ]

    @property
    def validation_description(self) -> str:
        """What the bar of the validation is called."""
        return "validating"

    @property
    def test_description(self) -> str:
        """What the bar of the final evaluation is called."""
        return "scoring"

    def _init_progress(self, trainer: pl.Trainer) -> None:
        super()._init_progress(trainer)
        if self.progress is not None:
            self.progress.live.transient = True  # the lines of the log say what was

    def _get_train_description(self, current_epoch: int) -> str:
        return f"epoch {current_epoch + 1}/{self.trainer.max_epochs}"

    def _should_update(self, current: int, total: int | float) -> bool:
        now = time.monotonic()
        if current < total and now - self._refreshed < _SECONDS_BETWEEN_REFRESHES:
            return False
        self._refreshed = now
        return True

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Return what stands beside the bar: the running loss and the task's headline of the last validation."""
        task: Any = pl_module
        shown = {}
        if task.train_loss.running is not None:
            shown["loss"] = f"{task.train_loss.running:.4f}"
        if task.headline in trainer.callback_metrics:
            shown[task.headline.partition("/")[2]] = f"{float(trainer.callback_metrics[task.headline]):.4f}"
        return shown
