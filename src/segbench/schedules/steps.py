"""Learning-rate schedules that are stepped with every step of the optimiser, in epochs and fractions of them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segbench.errors import ConfigError


class StepSchedule(LRScheduler):
    """A rate that rises in a warm-up and then follows a shape over the rest of the run, step by step.

    In step i, counted from 0, of n an epoch, the rate of each parameter group is its own times

        warmup_start + (1 - warmup_start) t / warmup,  t = i / n,  while t < warmup
        shape((t - warmup) / (epochs - warmup)),       then

    with t in epochs: a linear warm-up, as of Goyal et al., "Accurate, Large Minibatch SGD", 2017 (arXiv 1706.02677),
    section 2.2. Each rate depends on the step alone, so the rates of a run that is resumed anywhere are bit-identical
    to those of an uninterrupted one. With accumulated gradients a step is one of the optimiser.

    Args:
        optimizer: The optimiser; its learning rate is the highest.
        epochs: Epochs of the run.
        warmup: Epochs of the warm-up, 0 or more and below ``epochs``; fractions are allowed.
        warmup_start: The share of the rate that the first step has, in [0, 1].
        last_epoch: The last step done, counted from 0; -1 before the first. (The name is torch's.)

    Attributes:
        interval: ``step`` has a task step it with the optimiser, and set ``steps_per_epoch`` before training.
        steps_per_epoch: Steps of the optimiser in an epoch.

    Raises:
        ConfigError: If a number is out of range; names the key.
    """

    interval = "step"

    def __init__(
        self,
        optimizer: Optimizer,
        epochs: int,
        warmup: float = 0.0,
        warmup_start: float = 0.001,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= warmup < epochs:
            raise ConfigError(f"scheduler.warmup={warmup}: must be at least 0 and below trainer.max_epochs={epochs}")
        if not 0 <= warmup_start <= 1:
            raise ConfigError(f"scheduler.warmup_start={warmup_start}: must be from 0 to 1")
        self.epochs, self.warmup, self.warmup_start = epochs, warmup, warmup_start
        self.steps_per_epoch = 1
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch allows tensors, which no optimiser here has
        """Return the current step's rate for each parameter group."""
        epoch = self.last_epoch / self.steps_per_epoch
        if epoch < self.warmup:
            share = self.warmup_start + (1 - self.warmup_start) * epoch / self.warmup
            return [float(highest) * share for highest in self.base_lrs]
        progress = min((epoch - self.warmup) / (self.epochs - self.warmup), 1.0)
        return [self.rate(float(highest), progress) for highest in self.base_lrs]

    @abstractmethod
    def rate(self, highest: float, progress: float) -> float:
        """Return a rate after the warm-up.

        Args:
            highest: The optimiser's.
            progress: Share of the rest of the run that is done, from 0 to 1.
        """


class Poly(StepSchedule):
    """A rate that falls to 0 as (1 - progress)^power.

    Chen et al., "DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, and Fully
    Connected CRFs", TPAMI 2017 (arXiv 1606.00915), section 4.1.2. power = 0 is constant, after the warm-up.

    Args:
        optimizer: See :class:`StepSchedule`.
        epochs: See :class:`StepSchedule`.
        power: 0 or more.
        warmup: See :class:`StepSchedule`.
        warmup_start: See :class:`StepSchedule`.
        last_epoch: See :class:`StepSchedule`.

    Raises:
        ConfigError: If a number is out of range; names the key.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        epochs: int,
        power: float = 0.9,
        warmup: float = 0.0,
        warmup_start: float = 0.001,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= power < math.inf:
            raise ConfigError(f"scheduler.power={power}: must be at least 0 and finite")
        self.power = power
        super().__init__(optimizer, epochs, warmup, warmup_start, last_epoch)

    def rate(self, highest: float, progress: float) -> float:
        """Return the rate."""
        return float(highest * (1 - progress) ** self.power)


class CosineRestarts(StepSchedule):
    """Half a cosine from the rate down to a floor, again and again: SGDR, or with one cycle a cosine with a warm-up.

        eta_min + (lr - eta_min) (1 + cos(pi s)) / 2,  s from 0 to 1 in each cycle

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017 (arXiv 1608.03983),
    equation 5. The cycles fill the run after the warm-up, so it ends with a cycle.

    Args:
        optimizer: See :class:`StepSchedule`.
        epochs: See :class:`StepSchedule`.
        cycles: Their number, 1 or more.
        growth: How many times longer each is than the one before (T_mult in the paper), positive.
        eta_min: The floor, 0 or more and below the optimiser's rate.
        warmup: See :class:`StepSchedule`.
        warmup_start: See :class:`StepSchedule`.
        last_epoch: See :class:`StepSchedule`.

    Raises:
        ConfigError: If a number is out of range; names the key.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        epochs: int,
        cycles: int = 1,
        growth: float = 1.0,
        eta_min: float = 0.0,
        warmup: float = 0.0,
        warmup_start: float = 0.001,
        last_epoch: int = -1,
    ) -> None:
        start = min(group.get("initial_lr", group["lr"]) for group in optimizer.param_groups)
        if cycles < 1:
            raise ConfigError(f"scheduler.cycles={cycles}: must be at least 1")
        if not 0 < growth < math.inf:
            raise ConfigError(f"scheduler.growth={growth}: must be positive and finite")
        if not 0 <= eta_min < start:
            raise ConfigError(f"scheduler.eta_min={eta_min}: must be at least 0 and below optimizer.lr={start}")
        self.cycles, self.growth, self.eta_min = cycles, growth, eta_min
        super().__init__(optimizer, epochs, warmup, warmup_start, last_epoch)

    def rate(self, highest: float, progress: float) -> float:
        """Return the rate."""
        lengths = [self.growth**cycle for cycle in range(self.cycles)]
        left = progress * math.fsum(lengths)
        for length in lengths[:-1]:
            # A restart is a step of its own, which rounding must not miss.
            if left < length * (1 - 1e-9):
                break
            left -= length
        else:
            length = lengths[-1]
        return self.eta_min + (highest - self.eta_min) * (1 + math.cos(math.pi * min(left / length, 1.0))) / 2


class OneCycle(StepSchedule):
    """A rate that rises to the optimiser's and falls far below where it began, both by half a cosine.

    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018 (arXiv
    1708.07120), in the form of fastai and torch: from lr / start to lr in the first ``rise`` of the run, then to
    lr / (start end). The momentum (of Adam beta_1) goes the other way, from its highest to its lowest and back.

    Args:
        optimizer: The optimiser; its learning rate is the peak.
        epochs: Epochs of the run.
        rise: Share of the run in which the rate rises, above 0 and below 1.
        start: How many times lower than the peak the first rate is, at least 1.
        end: How many times lower than the first rate the last one is, at least 1.
        momentum: Its lowest, at the peak, and its highest value, each in [0, 1); None leaves it as it is.
        last_epoch: The last step done, counted from 0; -1 before the first.

    Raises:
        ConfigError: If a number is out of range, or the optimiser has no momentum; names the key.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        epochs: int,
        rise: float = 0.3,
        start: float = 25.0,
        end: float = 1.0e4,
        momentum: Sequence[float] | None = (0.85, 0.95),
        last_epoch: int = -1,
    ) -> None:
        if not 0 < rise < 1:
            raise ConfigError(f"scheduler.rise={rise}: must be above 0 and below 1")
        for key, value in {"start": start, "end": end}.items():
            if not 1 <= value < math.inf:
                raise ConfigError(f"scheduler.{key}={value}: must be at least 1 and finite")
        self.rise, self.start, self.end = rise, start, end
        self.momentum = None if momentum is None else _checked_momentum(list(momentum), optimizer)
        super().__init__(optimizer, epochs, last_epoch=last_epoch)

    def rate(self, highest: float, progress: float) -> float:
        """Return the rate."""
        first = highest / self.start
        return self._between(first, highest, first / self.end, progress)

    def step(self, epoch: int | None = None) -> None:
        """Set the next step's rate and momentum."""
        super().step(epoch)
        if self.momentum is None:
            return
        low, high = self.momentum
        progress = min(self.last_epoch / self.steps_per_epoch / self.epochs, 1.0)
        value = self._between(high, low, high, progress)
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (value, *group["betas"][1:])
            else:
                group["momentum"] = value

    def _between(self, first: float, peak: float, last: float, progress: float) -> float:
        if progress < self.rise:
            return peak + (first - peak) * (1 + math.cos(math.pi * progress / self.rise)) / 2
        return last + (peak - last) * (1 + math.cos(math.pi * (progress - self.rise) / (1 - self.rise))) / 2


def _checked_momentum(values: list[float], optimizer: Optimizer) -> tuple[float, float]:
    if len(values) != 2 or not 0 <= values[0] <= values[1] < 1:
        raise ConfigError(f"scheduler.momentum={values}: must be [lowest, highest], from 0 to below 1")
    if not all(group.get("momentum") or "betas" in group for group in optimizer.param_groups):
        raise ConfigError("scheduler.momentum: the optimiser has none; use scheduler.momentum=null or optimizer=sgd")
    return float(values[0]), float(values[1])
