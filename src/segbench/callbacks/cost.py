"""What a run costs: parameters, operations, speed, memory and time."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.flop_counter import FlopCounterMode

from segbench.environment import peak_memory_bytes, processor_name
from segbench.runs.run_callback import RunCallback, RunContext

log = logging.getLogger("segbench")

# The first steps allocate, tune and compile; they say nothing about speed.
_WARM_UP_STEPS = 3


class CostMeter(RunCallback):
    """Measures training and prediction while they happen, and counts parameters and operations once.

    The speed in training is that of the steps (forward, backward, optimiser), without waiting for data and
    without validation; in prediction that of network, loss and counts. The clocks and the peak of the memory are
    in the checkpoint, so an interrupted run reports the sum and the maximum over its attempts.
    """

    changes_result = False

    def __init__(self) -> None:
        self.seconds = {"fit": 0.0, "train": 0.0, "predict": 0.0}
        self.images = {"train": 0, "predict": 0}
        self.parameters, self.trainable_parameters, self.flops = 0, 0, 0
        self._fit_started = self._batch_started = 0.0
        self._steps = 0
        self._device = torch.device("cpu")
        self._earlier_peak = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the clocks and the peak of the memory, brought up to now."""
        seconds = dict(self.seconds)
        seconds["fit"] += time.monotonic() - self._fit_started if self._fit_started else 0.0
        return {"seconds": seconds, "images": dict(self.images), "peak_memory_bytes": self._peak_memory()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the clocks and the peak."""
        self.seconds, self.images = dict(state_dict["seconds"]), dict(state_dict["images"])
        self._earlier_peak = state_dict["peak_memory_bytes"]

    def bind(self, context: RunContext) -> None:
        """Count parameters and operations of the network as it is trained: of a larger image, for the crop."""
        data = context.data
        self.measure_network(context.task, torch.zeros(1, data.in_channels, *data.trained_size()))

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Learn on which device the run is: a machine with a GPU may train on its processor."""
        self._device = trainer.strategy.root_device

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the wall clock."""
        self._fit_started = time.monotonic()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the wall clock."""
        self.seconds["fit"] += time.monotonic() - self._fit_started
        self._fit_started = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the step's clock."""
        self._batch_started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the step's clock, once a GPU has finished the step."""
        synchronize(self._device)
        self._steps += 1
        if self._steps > _WARM_UP_STEPS:
            self._count("train", batch)

    def on_test_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Start the batch's clock."""
        synchronize(self._device)
        self._batch_started = time.perf_counter()

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop the batch's clock (network, loss and counts)."""
        synchronize(self._device)
        if batch_idx > 0 or trainer.num_test_batches[dataloader_idx] == 1:
            self._count("predict", batch)

    def measure_network(self, task: pl.LightningModule, image: torch.Tensor) -> None:
        """Count parameters, and the operations of one image's forward pass (a multiply-add is 2).

        Args:
            task: The task, before training.
            image: One image (1,C,H,W).

        A network that computes outside torch counts itself, by a method ``count_flops()``.
        """
        parameters = list(task.parameters())
        self.parameters = sum(parameter.numel() for parameter in parameters)
        self.trainable_parameters = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
        task.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            task(image)
        task.train()
        own = getattr(task.network, "count_flops", None)
        self.flops = counter.get_total_flops() if own is None else own()

    def report(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Return the costs as they stand in ``summary.json``."""
        return {
            "parameters": self.parameters,
            "trainable_parameters": self.trainable_parameters,
            "flops_per_image": self.flops,
            "train_images_per_second": self._rate("train"),
            "predict_images_per_second": self._rate("predict"),
            "peak_memory_bytes": self._peak_memory(),
            "wall_seconds": round(self.seconds["fit"], 3),
            "device": device_name(trainer.strategy.root_device),
            "threads": torch.get_num_threads(),
            "precision": str(trainer.precision),
        }

    def _peak_memory(self) -> int:
        """Bytes, of all attempts: of the graphics card's allocator for a run on one, else of the whole process."""
        if self._device.type == "cuda":
            return max(self._earlier_peak, int(torch.cuda.max_memory_allocated(self._device)))
        return max(self._earlier_peak, peak_memory_bytes())

    def _count(self, stage: str, batch: Any) -> None:
        self.seconds[stage] += time.perf_counter() - self._batch_started
        self.images[stage] += len(batch["image"])

    def _rate(self, stage: str) -> float | None:
        seconds = self.seconds[stage]
        return round(self.images[stage] / seconds, 3) if seconds else None


def synchronize(device: torch.device) -> None:
    """Wait until a graphics card has done what it was given, as clocks need it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """Return the model name of the CPU or GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
