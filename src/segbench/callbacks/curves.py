"""The run's own record of its curves: ``metrics.csv``, one row an epoch, and the loggers beside it."""

from __future__ import annotations

import csv
import io
import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from segbench import tracking
from segbench.callbacks.step_losses import StepLosses
from segbench.configuration.monitor import VALIDATION_LOSS
from segbench.processes import own_share
from segbench.runs.files import write_text
from segbench.words import duration

log = logging.getLogger("segbench")


class Curves(pl.Callback):
    """Writes one row of ``metrics.csv`` and one line of the log for every epoch.

    The rows are in the checkpoint too: after a crash the file continues exactly where training does, without
    rows twice.

    Args:
        path: The CSV file.
        log_every_n_steps: Steps between points of the training loss in the loggers.
        monitor: Score that decides which epoch is best, which loggers are told.
    """

    def __init__(self, path: Path, log_every_n_steps: int = 50, monitor: str = VALIDATION_LOSS) -> None:
        self.path = path
        self.log_every_n_steps, self.monitor = log_every_n_steps, monitor
        self.rows: list[dict[str, Any]] = []
        self._seconds = 0.0
        self._since = 0.0
        self._losses = StepLosses()

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far, and the seconds spent in the epoch in progress."""
        seconds = self._seconds + (time.monotonic() - self._since if self._since else 0.0)
        return {"rows": self.rows, "seconds": seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows."""
        self.rows, self._seconds = list(state_dict["rows"]), state_dict["seconds"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send the epochs of the checkpoint to loggers that have lost them, also where there is none left to train."""
        task: Any = pl_module
        tracking.catch_up(trainer.loggers, self.rows, self.monitor, task.headline)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the file into the state of the checkpoint."""
        self._since = time.monotonic()
        self._losses.start(trainer)
        self._write()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the rate that the step is made with."""
        self._losses.before(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Send the training loss to the loggers, every few steps."""
        task: Any = pl_module
        shares = self._losses.after(trainer, pl_module)
        if shares and trainer.loggers and trainer.global_step % self.log_every_n_steps == 0:
            task.readings.read(torch.stack(shares), partial(_log, trainer, trainer.global_step))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch's row, send its training loss to the loggers and say one line."""
        task: Any = pl_module
        now = time.monotonic()
        seconds, self._since, self._seconds = self._seconds + now - self._since, now, 0.0
        row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "seconds": round(seconds, 3),
            "lr": self._losses.rate,
        }
        row |= {"train/loss": task.train_loss.mean}
        row |= {name: float(value) for name, value in trainer.callback_metrics.items()}
        task.train_loss.reset()
        self.rows.append(row)
        self._write()
        tracking.log_epoch(trainer.loggers, self.rows, self.monitor, task.headline)
        left = seconds * ((trainer.max_epochs or 0) - row["epoch"])
        # So short that the line fits a terminal of 80 columns.
        shown = {"loss": "train/loss", "val": "val/loss", task.headline.partition("/")[2]: task.headline}
        scores = ", ".join(f"{word} {row[name]:.4f}" for word, name in shown.items() if name in row)
        times = f"{duration(seconds)}, {duration(left)} left"
        log.info("epoch %d/%d  %s  %s", row["epoch"], trainer.max_epochs, scores, times)

    def _write(self) -> None:
        if own_share().rank:
            return
        if not self.rows:
            self.path.unlink(missing_ok=True)
            return
        text = io.StringIO()
        # Whatever is logged need not be logged in every epoch.
        columns = dict.fromkeys(name for row in self.rows for name in row)
        writer = csv.DictWriter(text, fieldnames=list(columns), restval="")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())


def _log(trainer: pl.Trainer, step: int, shares: list[float]) -> None:
    tracking.log_step(trainer.loggers, sum(shares), step)
