"""The score that decides: which epoch is best, when training stops, when a schedule or a curriculum goes on."""

from __future__ import annotations

from collections.abc import Collection

from omegaconf import DictConfig

from segbench.errors import ConfigError
from segbench.suggest import nearest

# The monitor that no score decides: the last epoch is the best.
LAST_EPOCH = "last"
# The only monitor that is better when lower; all others that a task offers are better when higher.
VALIDATION_LOSS = "val/loss"


def monitor_mode(monitor: str) -> str:
    """Return ``min`` for the validation loss and ``max`` for any score, whatever its class is called."""
    return "min" if monitor == VALIDATION_LOSS else "max"


def check_monitor(cfg: DictConfig, scores: Collection[str], validates: bool) -> None:
    """Refuse a monitor that does not exist, and what would follow a score where none is monitored.

    Args:
        cfg: The whole configuration.
        scores: What every validation gives.
        validates: Whether images are left to validate on.

    Raises:
        ConfigError: Names the key and what to set.
    """
    monitor, names = cfg.trainer.monitor, [*scores, LAST_EPOCH]
    if monitor not in names:
        raise ConfigError(f"trainer.monitor={monitor}: no such score{nearest(monitor, names)}")
    if monitor != LAST_EPOCH:
        if not validates:
            raise ConfigError("data.fit_on=train+val: no validation images are left to score; set trainer.monitor=last")
        return
    if cfg.trainer.early_stopping is not None:
        raise ConfigError("trainer.early_stopping: has no score to follow with trainer.monitor=last; set it to null")
    if cfg.scheduler is not None and cfg.scheduler["_target_"].endswith("ReduceLROnPlateau"):
        raise ConfigError("scheduler=plateau: has no score to follow with trainer.monitor=last; choose another")
