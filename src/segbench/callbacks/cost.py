"""What a run costs: parameters, operations, speed, memory and time."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.flop_counter import FlopCounterMode

from segbench.callbacks.clock import WorkClock
from segbench.environment import peak_memory_bytes, processor_name
from segbench.models.upconvolution import as_defined
from segbench.processes import gathered, images_in, own_share
from segbench.runs.run_callback import RunCallback, RunContext

log = logging.getLogger("segbench")

# The first steps allocate, tune and compile; they say nothing about speed.
_WARM_UP_STEPS = 3
# Only products are counted, which interpolation has none of: taking it apart to see that would load sympy.
_INTERPOLATIONS = ("nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "bicubic2d", "trilinear3d")
_FREE = {
    getattr(operator, overload): lambda *_, **__: 0
    for operator in (getattr(torch.ops.aten, f"upsample_{kind}") for kind in _INTERPOLATIONS)
    for overload in operator.overloads()
}


class CostMeter(RunCallback):
    """Measures training and prediction while they happen, and counts parameters and operations once.

    The speed in training is that of the steps (forward, backward, optimiser), without waiting for data and
    without validation; in prediction that of network, loss and counts. A GPU keeps its own time
    (:class:`segbench.callbacks.clock.WorkClock`). The clocks and the peak of the memory are in the checkpoint, so an
    interrupted run reports the sum and the maximum over its attempts.

    Of several processes, the images are those of all, the memory is the first one's.
    """

    changes_result = False

    def __init__(self) -> None:
        self._device = torch.device("cpu")
        self._train, self._predict = WorkClock(), WorkClock()
        self._fit_seconds = 0.0
        self.parameters, self.trainable_parameters, self.flops = 0, 0, 0
        self._fit_started = 0.0
        self._steps = 0
        self._earlier_peak = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the clocks and the peak of the memory, brought up to now."""
        clocks = {"train": self._train, "predict": self._predict}
        for clock in clocks.values():
            clock.settle()
        fit = self._fit_seconds + (time.monotonic() - self._fit_started if self._fit_started else 0.0)
        return {
            "seconds": {"fit": fit} | {name: clock.seconds for name, clock in clocks.items()},
            "images": {name: clock.images for name, clock in clocks.items()},
            "peak_memory_bytes": self._peak_memory(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the clocks and the peak."""
        seconds, images = state_dict["seconds"], state_dict["images"]
        self._fit_seconds = seconds["fit"]
        self._train.seconds, self._train.images = seconds["train"], images["train"]
        self._predict.seconds, self._predict.images = seconds["predict"], images["predict"]
        self._earlier_peak = state_dict["peak_memory_bytes"]

    def bind(self, context: RunContext) -> None:
        """Count parameters and operations of the network as it is trained: of a larger image, for the crop."""
        data = context.data
        self.measure_network(context.task, torch.zeros(1, data.in_channels, *data.trained_size()))

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Learn on which device the run is: a machine with a GPU may train on its processor."""
        self._device = trainer.strategy.root_device
        self._train.use(self._device)
        self._predict.use(self._device)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the wall clock."""
        self._fit_started = time.monotonic()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the wall clock."""
        self._fit_seconds += time.monotonic() - self._fit_started
        self._fit_started = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the step's clock."""
        if self._steps >= _WARM_UP_STEPS:
            self._train.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the step's clock."""
        if self._steps >= _WARM_UP_STEPS:
            self._train.stop(images_in(trainer, batch, batch_idx))
        self._steps += 1

    def on_test_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Start the batch's clock, but not for a first batch of several, which may tune and compile."""
        if batch_idx > 0 or trainer.num_test_batches[dataloader_idx] == 1:
            self._predict.start()

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
        if batch_idx > 0 or trainer.num_test_batches[dataloader_idx] == 1:
            self._predict.stop(len(batch["image"]))

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
        # As the network is defined, whatever a device makes of it.
        with torch.no_grad(), as_defined(), FlopCounterMode(display=False, custom_mapping=_FREE) as counter:
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
            "train_images_per_second": _rate(self._train),
            "predict_images_per_second": _rate(self._predict),
            "peak_memory_bytes": self._peak_memory(),
            "wall_seconds": round(self._fit_seconds, 3),
            "device": _times(own_share().count, device_name(trainer.strategy.root_device)),
            "processes": own_share().count,
            "threads": torch.get_num_threads(),
            "precision": str(trainer.precision),
        }

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the images of all processes; the slowest one's clock is that of all."""
        clock = self._predict
        clock.settle()
        every = gathered((clock.images, clock.seconds))
        clock.images, clock.seconds = sum(images for images, _ in every), max(seconds for _, seconds in every)

    def _peak_memory(self) -> int:
        """Bytes, of all attempts: of the graphics card's allocator for a run on one, else of the whole process."""
        if self._device.type == "cuda":
            return max(self._earlier_peak, int(torch.cuda.max_memory_allocated(self._device)))
        return max(self._earlier_peak, peak_memory_bytes())


def _rate(clock: WorkClock) -> float | None:
    """Return images per second."""
    clock.settle()
    return round(clock.images / clock.seconds, 3) if clock.seconds else None


def _times(count: int, name: str) -> str:
    """Return a device's name, with the number of processes that each had one if they were several."""
    return name if count == 1 else f"{count} x {name}"


def synchronize(device: torch.device) -> None:
    """Wait until a graphics card has done what it was given, as clocks need it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """Return the model name of the CPU or GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
