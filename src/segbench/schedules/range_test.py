"""The schedule of a learning-rate range test."""

from __future__ import annotations

from torch.optim import Optimizer

from segbench.errors import ConfigError
from segbench.schedules.steps import StepSchedule


class RangeTest(StepSchedule):
    """A rate that grows from a low one to the optimiser's, each step by the same factor.

    Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017 (arXiv 1506.01186), section 3.3, with
    factors in place of differences. :class:`segbench.callbacks.RatePicture` draws what the loss makes of it.

    Args:
        optimizer: The optimiser; its learning rate is the highest.
        epochs: Epochs of the run.
        lowest: The first rate, above 0 and below the optimiser's.
        last_epoch: The last step done, counted from 0; -1 before the first.

    Raises:
        ConfigError: If ``lowest`` is out of range; names the key.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, lowest: float = 1.0e-6, last_epoch: int = -1) -> None:
        highest = min(group.get("initial_lr", group["lr"]) for group in optimizer.param_groups)
        if not 0 < lowest < highest:
            raise ConfigError(f"scheduler.lowest={lowest}: must be above 0 and below optimizer.lr={highest}")
        self.lowest = lowest
        super().__init__(optimizer, epochs, last_epoch=last_epoch)

    def rate(self, highest: float, progress: float) -> float:
        """Return the rate."""
        return float(self.lowest * (highest / self.lowest) ** progress)
