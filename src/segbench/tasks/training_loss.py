"""The loss of the training steps: its mean in an epoch, a running mean to watch, and its end if it is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from segbench.errors import DivergedError
from segbench.processes import own_share
from segbench.tasks.readings import Readings

# Weight of the newest step in the running mean.
_NEWEST = 0.05


class TrainingLoss:
    """Adds up the steps' losses; what it says is of all steps, as it waits for those that a GPU has not finished.

    Args:
        readings: How losses are read from the device.

    Attributes:
        running: An exponentially weighted mean of the steps' losses that are known, for the progress bar; None before
            the first.
    """

    def __init__(self, readings: Readings) -> None:
        self.running: float | None = None
        self._readings = readings
        self._sum, self._images = 0.0, 0

    def add(self, loss: Tensor, images: int, step: Callable[[], str]) -> None:
        """Add a step.

        Args:
            loss: Its mean loss, a scalar.
            images: How many images it has.
            step: Describes it, for the error; called later, so it must know its numbers.

        Raises:
            DivergedError: If this loss is not finite, or, on a GPU, that of an earlier step: it names that step.
        """
        self._readings.read(loss, partial(self._add, images=images, step=step))

    def _add(self, value: float, images: int, step: Callable[[], str]) -> None:
        if not math.isfinite(value):
            raise DivergedError(f"loss is {value} at {step()}; lower optimizer.lr or look at these images")
        self._sum += value * images
        self._images += images
        self.running = value if self.running is None else self.running + _NEWEST * (value - self.running)

    @property
    def mean(self) -> float:
        """Mean loss per image since the epoch began.

        Raises:
            DivergedError: If a step's loss is not finite.
        """
        self._readings.settle()
        return self._sum / max(self._images, 1)

    def reset(self) -> None:
        """Begin the mean of a new epoch."""
        self._readings.settle()
        self._sum, self._images = 0.0, 0

    def state(self) -> list[float | None]:
        """Return what a checkpoint keeps; raises as :attr:`mean` does."""
        self._readings.settle()
        return [self._sum, self._images, self.running]

    def restore(self, state: list[float | None]) -> None:
        """Go on from what :meth:`state` returned."""
        self._sum, self._images, self.running = state  # type: ignore[assignment]  # the last alone may be None


def step_weight(trainer: Any, batch_idx: int, images: int) -> float:
    """Return what makes a step over several batches that over all their images at once.

    Lightning divides the loss of each by ``accumulate_grad_batches``, also where the epoch ends before there are so
    many, and where the last has fewer images. With this weight the step is the mean over the images that it takes;
    of full batches it is 1.

    Args:
        trainer: Lightning's trainer.
        batch_idx: The batch's index in its epoch.
        images: The images in it, of all processes.
    """
    together = trainer.accumulate_grad_batches
    first = batch_idx - batch_idx % together
    batches = range(first, min(first + together, int(trainer.num_training_batches)))
    return float(together * images / sum(trainer.train_dataloader.images_in(batch) for batch in batches))


def describe_step(step: int, epoch: int, rate: float, images: Sequence[str]) -> str:
    """Return a step in words, with this process's images."""
    others = "" if own_share().count == 1 else " and those of the other processes"
    return f"step {step} (epoch {epoch}), learning rate {rate:g}, images {', '.join(images)}{others}"
