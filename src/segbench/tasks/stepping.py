"""When a learning-rate schedule is stepped: once an epoch, with every step of the optimiser, or by a score."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from segbench.errors import ConfigError


def described(schedule: Any, monitor: str) -> dict[str, Any]:
    """Return a schedule as Lightning takes it.

    Args:
        schedule: Its attribute ``interval`` says ``epoch``, as of one without it, or ``step``.
        monitor: Score that it follows, if it follows one.
    """
    return {"scheduler": schedule, "monitor": monitor, "interval": getattr(schedule, "interval", "epoch")}


def tell_steps(trainer: Any) -> None:
    """Set ``steps_per_epoch`` of schedules that are stepped with the optimiser: they begin alike whatever it is."""
    for config in trainer.lr_scheduler_configs:
        if config.interval == "step":
            steps = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
            config.scheduler.steps_per_epoch = steps


def followed_scores(trainer: Any) -> Iterator[tuple[Any, Tensor]]:
    """Yield schedules that follow a score, with that of the epoch's validation.

    Raises:
        ConfigError: If the validation did not give it.
    """
    for config in trainer.lr_scheduler_configs:
        if not config.reduce_on_plateau:
            continue
        value = trainer.callback_metrics.get(str(config.monitor))
        if value is None:
            raise ConfigError(f"scheduler: follows {config.monitor}, which validation does not give")
        yield config.scheduler, value
