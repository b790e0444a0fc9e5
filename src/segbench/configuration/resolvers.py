"""The resolvers that the configuration files use."""

from __future__ import annotations

from omegaconf import OmegaConf

from segbench.runs.identity import experiment_name, run_name

# The only loss among what validation gives; every score of a task is a share, best at 1.
VALIDATION_LOSS = "val/loss"


def monitor_mode(monitor: str) -> str:
    """Return ``min`` for the validation loss and ``max`` for any score, whatever its class is called."""
    return "min" if monitor == VALIDATION_LOSS else "max"


def share(count: float, part: float) -> float:
    """Return a part of a count: 2.0 for 10 epochs and 0.2."""
    return count * part


def register() -> None:
    """Make ``${run_name:}``, ``${experiment_name:}``, ``${monitor_mode:...}`` and ``${share:...}`` usable."""
    OmegaConf.register_new_resolver("run_name", lambda *, _root_: run_name(_root_), replace=True)
    OmegaConf.register_new_resolver("experiment_name", lambda *, _root_: experiment_name(_root_), replace=True)
    OmegaConf.register_new_resolver("monitor_mode", monitor_mode, replace=True)
    OmegaConf.register_new_resolver("share", share, replace=True)
