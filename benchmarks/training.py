"""Builds a training like the command line does, for benchmarks: configuration, callbacks, loggers and all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra import compose, initialize_config_dir

from segbench import callbacks, tracking
from segbench.assembly import build_callbacks, build_data, build_task
from segbench.configuration.monitor import monitor_mode
from segbench.configuration.resolvers import register
from segbench.data.base import ImageData
from segbench.tasks.base import Task
from segbench.trainer import build_trainer

_CONF = Path(__file__).resolve().parent.parent / "conf"


class EpochClock(pl.Callback):
    """Records the seconds of each epoch's training, without validation, and the validation accuracy after it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.accuracy: list[float] = []
        self._since = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock: validation comes after the last step."""
        self._stop()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock if there was no validation."""
        if "val/accuracy" in trainer.callback_metrics:
            self.accuracy.append(float(trainer.callback_metrics["val/accuracy"]))
        self._stop()

    def _stop(self) -> None:
        if self._since:
            self.seconds.append(time.perf_counter() - self._since)
        self._since = 0.0


@dataclass
class Training:
    """A training built by :func:`prepare`."""

    trainer: pl.Trainer
    task: Task[Any]
    data: ImageData

    def fit(self) -> None:
        """Train."""
        self.trainer.fit(self.task, datamodule=self.data)


def prepare(
    folder: Path, *overrides: str, data: ImageData | None = None, also: tuple[pl.Callback, ...] = ()
) -> Training:
    """Build a training on one CPU thread.

    Args:
        folder: Folder for its files.
        *overrides: Overrides as on the command line.
        data: A data module of the same configuration after its setup, to avoid reading the data again.
        also: Further callbacks, called last.
    """
    register()
    settings = ["trainer.accelerator=cpu", "trainer.threads=1", "trainer.progress=lines", f"paths.outputs={folder}"]
    with initialize_config_dir(str(_CONF), version_base="1.3"):
        cfg = compose("config", [*settings, *overrides])
    data = build_data(cfg) if data is None else data
    task = build_task(cfg, data)
    data.setup()
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    monitor, minutes = cfg.trainer.monitor, cfg.trainer.checkpoint_minutes
    trainer = build_trainer(
        cfg,
        tracking.build_loggers(cfg, folder, {}, task.headline),
        [
            callbacks.CostMeter(),
            callbacks.Curves(folder / "metrics.csv", cfg.trainer.log_every_n_steps),
            *build_callbacks(cfg, data, task),
            callbacks.RunCheckpoints(checkpoints, monitor, monitor_mode(monitor), minutes=minutes),
            *also,
        ],
    )
    return Training(trainer, task, data)
