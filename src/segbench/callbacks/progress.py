"""Progress on a terminal: a bar with the running loss and the time left."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar

_SECONDS_BETWEEN_REFRESHES = 0.25


class TerminalBar(RichProgressBar):
    """Lightning's bar, refreshed by the clock rather than by the step, so that tiny networks do not wait for it."""

    def __init__(self) -> None:
        super().__init__(leave=False)
        self._refreshed = 0.0

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
            shown[task.headline.replace("/", " ")] = f"{float(trainer.callback_metrics[task.headline]):.4f}"
        return shown
