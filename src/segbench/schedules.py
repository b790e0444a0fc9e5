"""Learning-rate schedules that torch does not have."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segbench.errors import ConfigError


class ExponentialFloor(LRScheduler):
    """Exponential decay towards a floor: floor + (lr - floor) exp(-i / tau) in epoch i, counted from 0.

    After Lindholm et al., "Machine Learning: A First Course for Engineers and Scientists", 2022, where i
    counts iterations; here it is stepped once an epoch. Each rate follows from the epoch alone, so a resumed run has
    those of an uninterrupted one to the bit.

    Args:
        optimizer: The optimiser; its learning rate is that of epoch 0.
        floor: The rate that is approached, at least 0 and below the optimiser's.
        tau: Epochs in which the distance to the floor falls to 1/e (37 %), above 0.
        last_epoch: The epoch before the next, -1 before the first.

    Raises:
        ConfigError: If a number is outside its range; one line that names the key.
    """

    def __init__(self, optimizer: Optimizer, floor: float = 1.0e-4, tau: float = 10.0, last_epoch: int = -1) -> None:
        if not (math.isfinite(tau) and tau > 0):
            raise ConfigError(f"scheduler.tau={tau}: must be a number of epochs above 0")
        start = min(group.get("initial_lr", group["lr"]) for group in optimizer.param_groups)
        if not 0 <= floor < start:
            raise ConfigError(f"scheduler.floor={floor}: must be at least 0 and below optimizer.lr={start}")
        self.floor, self.tau = floor, tau
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch allows tensors, which no optimiser here has
        """Return the rate of the present epoch for each group of weights."""
        left = math.exp(-self.last_epoch / self.tau)
        return [self.floor + (float(start) - self.floor) * left for start in self.base_lrs]
