"""The resolvers that the configuration files use."""

from __future__ import annotations

from omegaconf import OmegaConf

from segbench.configuration.monitor import monitor_mode
from segbench.runs.identity import experiment_name, run_name


def share(count: float, part: float) -> float:
    """Return a part of a count: 2.0 for 10 epochs and 0.2."""
    return count * part


def register() -> None:
    """Make ``${run_name:}``, ``${experiment_name:}``, ``${monitor_mode:...}`` and ``${share:...}`` usable."""
    OmegaConf.register_new_resolver("run_name", lambda *, _root_: run_name(_root_), replace=True)
    OmegaConf.register_new_resolver("experiment_name", lambda *, _root_: experiment_name(_root_), replace=True)
    OmegaConf.register_new_resolver("monitor_mode", monitor_mode, replace=True)
    OmegaConf.register_new_resolver("share", share, replace=True)
