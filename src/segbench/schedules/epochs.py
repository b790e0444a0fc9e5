"""Learning-rate schedules that are stepped once an epoch."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segbench.errors import ConfigError


class ExponentialFloor(LRScheduler):
    """Exponential decay towards a floor: floor + (lr - floor) exp(-i / tau) in epoch i, counted from 0.

    After Lindholm et al., "Machine Learning: A First Course for Engineers and Scientists", 2022, where i
    counts iterations; here it counts epochs. Each rate depends on the epoch alone, so the rates of a resumed run are
    bit-identical to those of an uninterrupted one.

    Args:
        optimizer: The optimiser; its learning rate is the rate of epoch 0.
        floor: The limit of the rate, at least 0 and below the optimiser's.
        tau: Epochs in which the distance to the floor falls to 1/e (37 %), above 0.
        last_epoch: The last finished epoch, counted from 0; -1 before the first.

    Raises:
        ConfigError: If a number is out of range; names the key.
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
        """Return the current epoch's rate for each parameter group."""
        left = math.exp(-self.last_epoch / self.tau)
        return [self.floor + (float(start) - self.floor) * left for start in self.base_lrs]


class EpochTable(LRScheduler):
    """Learning rates from a table of epochs; every rate is absolute and the same for all parameter groups.

    Each rate depends on the epoch alone, so the rates of a resumed run are bit-identical to those of an uninterrupted
    one. The table in ``conf/scheduler/epoch_table.yaml`` is the cells report's.

    Args:
        optimizer: The optimiser; its learning rate must be the table's first, or the configuration would name a rate
            that is never used.
        rates: Rows of a last epoch, counted from 1 and increasing, and the rate up to and including it, above 0. After
            the last row its rate stays.
        last_epoch: The last finished epoch, counted from 0; -1 before the first.

    Raises:
        ConfigError: If the table is invalid, or its first rate differs from the optimiser's; names the key.
    """

    def __init__(self, optimizer: Optimizer, rates: Sequence[tuple[int, float]], last_epoch: int = -1) -> None:
        rows = _checked([list(row) for row in rates])
        first = rows[0][1]
        for start in (group.get("initial_lr", group["lr"]) for group in optimizer.param_groups):
            if start != first:
                raise ConfigError(
                    f"optimizer.lr={start:g}: scheduler.rates begins with {first:g}; set optimizer.lr={first:g} or"
                    " use another scheduler"
                )
        self.ends, self.rates = [end for end, _ in rows], [rate for _, rate in rows]
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch allows tensors, which no optimiser here has
        """Return the current epoch's rate for each parameter group."""
        row = min(bisect_left(self.ends, self.last_epoch + 1), len(self.ends) - 1)
        return [self.rates[row]] * len(self.base_lrs)


def _checked(rows: list[list[float]]) -> list[tuple[int, float]]:
    """Return the rows of a table of rates as plain numbers, or raise a ConfigError for the first fault."""
    if not rows:
        raise ConfigError("scheduler.rates=[]: must have a row [last epoch, rate]")
    before, checked = 0, list[tuple[int, float]]()
    for row in rows:
        if len(row) != 2:
            raise ConfigError(f"scheduler.rates: {row} must be a row [last epoch, rate]")
        end, rate = row
        if not float(end).is_integer() or end <= before:
            raise ConfigError(f"scheduler.rates: {row} must end at a whole epoch after {before}")
        if not (math.isfinite(rate) and rate > 0):
            raise ConfigError(f"scheduler.rates: {row} must have a rate above 0")
        before = int(end)
        checked.append((before, float(rate)))
    return checked
