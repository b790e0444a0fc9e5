"""What a run takes on this machine, measured by a few of its own training steps."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Checkpoint

from segbench.callbacks.cost import device_name, synchronize
from segbench.data.base import ImageData
from segbench.environment import memory_bytes, peak_memory_bytes
from segbench.errors import SegbenchError
from segbench.runs.failures import out_of_memory
from segbench.tasks.base import Task
from segbench.tasks.batches import check_batches
from segbench.trainer import build_trainer

log = logging.getLogger("segbench")


@dataclass(frozen=True)
class Cost:
    """What was measured, and what follows for a run.

    Attributes:
        steps: Steps measured; the first, which allocates, counts only if it is alone.
        step_seconds: A training step with its data, median.
        waiting: Share of a step that waits for data.
        val_seconds: A batch of validation; 0 without validation.
        steps_per_epoch, val_batches, epochs: Of the configured run.
        memory: Peak in bytes: of the graphics card's allocator, else of this process.
        total_memory: Of the graphics card or the machine, in bytes.
        parameters: Of the network.
        device: Its name.
        load: Processes that wanted a core, on average over the last minute, and the cores; ``""`` where unknown.
        batch: The first batch, on the processor.
    """

    steps: int
    step_seconds: float
    waiting: float
    val_seconds: float
    steps_per_epoch: int
    val_batches: int
    epochs: int
    memory: int
    total_memory: int
    parameters: int
    device: str
    load: str
    batch: dict[str, Any]

    @property
    def epoch_seconds(self) -> float:
        """Seconds of an epoch: all steps, and all batches of validation."""
        return self.steps_per_epoch * self.step_seconds + self.val_batches * self.val_seconds

    @property
    def run_seconds(self) -> float:
        """Seconds of all epochs."""
        return self.epochs * self.epoch_seconds


class _Clock(Checkpoint):
    """Times steps and keeps the first batch. A checkpoint to Lightning, which would otherwise write one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[float] = []
        self.waits: list[float] = []
        self.validations: list[float] = []
        self.batch: dict[str, Any] = {}
        self._ended = self._began = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock of the first step."""
        self._ended = time.perf_counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Count the time that the step waited for its batch, and keep the first."""
        self.waits.append(time.perf_counter() - self._ended)
        if not self.batch:
            self.batch = {
                name: value.detach().cpu().clone() if torch.is_tensor(value) else value for name, value in batch.items()
            }

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count the step, once a graphics card has finished it."""
        synchronize(trainer.strategy.root_device)
        now = time.perf_counter()
        self.steps.append(now - self._ended)
        self._ended = now

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Start the clock of a batch of validation."""
        self._began = time.perf_counter()

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Count the batch."""
        synchronize(trainer.strategy.root_device)
        self.validations.append(time.perf_counter() - self._began)


def measure_steps(cfg: DictConfig, data: ImageData, task: Task[Any], steps: int = 3) -> Cost:
    """Train a few steps of the configured run, on its data, and keep nothing of them.

    Args:
        cfg: The whole configuration, settled.
        data: The data module, after its setup.
        task: The task with the network, untrained.
        steps: How many.

    Raises:
        SegbenchError: If the configuration cannot be trained on the data, or not in this memory.
    """
    check_batches(cfg, task.train().network, data)
    size = data.images_per_batch(data.datasets["train"])
    per_epoch = _steps_per_epoch(-(-len(data.datasets["train"]) // size), cfg.trainer.limit_train_batches)
    clock, device = _timed(_only_steps(cfg, min(steps, per_epoch)), data, task)
    validated = len(data.datasets["val"]) if "val" in data.datasets else 0
    memory, total = _memory(device)
    counted = clock.steps[1:] or clock.steps
    return Cost(
        steps=len(clock.steps),
        step_seconds=_median(counted),
        waiting=min(1.0, sum(clock.waits[-len(counted) :]) / max(sum(counted), 1e-9)),
        val_seconds=_median(clock.validations) if clock.validations else 0.0,
        steps_per_epoch=per_epoch,
        val_batches=-(-validated // size),
        epochs=cfg.trainer.max_epochs,
        memory=memory,
        total_memory=total,
        parameters=sum(parameter.numel() for parameter in task.network.parameters()),
        device=device_name(device),
        load=_load(),
        batch=clock.batch,
    )


def _timed(cfg: DictConfig, data: ImageData, task: Task[Any]) -> tuple[_Clock, torch.device]:
    """Train by a configuration, validate on one batch, and return the times and where it was."""
    clock = _Clock()
    trainer = build_trainer(cfg, [], [clock])
    trainer.limit_val_batches = 1
    device = trainer.strategy.root_device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        trainer.fit(task, datamodule=data)
    except Exception as error:
        if out_of_memory(error):
            raise SegbenchError("a training step does not fit into the memory; lower data.batch_size") from error
        raise
    return clock, device


def _only_steps(cfg: DictConfig, steps: int) -> DictConfig:
    """Return a configuration of one epoch of so many steps, without what needs more of a run."""
    short = cfg.copy()
    OmegaConf.set_readonly(short, False)
    short.trainer.max_epochs, short.trainer.limit_train_batches = 1, steps
    short.trainer.early_stopping, short.trainer.progress = None, "lines"
    return short


def _steps_per_epoch(batches: int, limit: int | float | None) -> int:
    if limit is None:
        return batches
    return max(1, int(batches * limit)) if isinstance(limit, float) else limit


def _median(values: list[float]) -> float:
    return float(torch.tensor(values).median())


def _memory(device: torch.device) -> tuple[int, int]:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device)), int(torch.cuda.get_device_properties(device).total_memory)
    return peak_memory_bytes(), memory_bytes()


def _load() -> str:
    try:
        return f"{os.getloadavg()[0]:.1f} processes on {os.cpu_count()} cores"
    except OSError:
        return ""
