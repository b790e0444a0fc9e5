"""What a sweeper that optimises (Optuna's, for example) is told of each job: the score by which its best epoch is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from segbench.configuration.monitor import LAST_EPOCH, monitor_mode
from segbench.errors import ConfigError, SegbenchError
from segbench.runs.directory import RunDirectory
from segbench.runs.files import read_json
from segbench.runs.tuning import is_trial

# What Optuna's, Nevergrad's and Ax's sweepers call their direction, as ``max`` or ``min``.
_DIRECTIONS: dict[str, Callable[[Any], str]] = {
    "direction": lambda value: str(getattr(value, "name", value))[:3],
    "optim.maximize": lambda value: "max" if value else "min",
    "ax_config.experiment.minimize": lambda value: "min" if value else "max",
}
# Sweepers that have no use for how a job ends but to say it: Hydra's own, and the search by Optuna, of its seeds.
_ASKING_NOTHING = (".BasicSweeper", "segbench_sweeper.OptunaSweeper")


def optimises(config: DictConfig) -> bool:
    """Say whether a sweep looks for values that score best; Hydra's own sweeper, and that of looks, take all listed."""
    return not str(config.hydra.sweeper.get("_target_")).endswith((".BasicSweeper", ".LooksSweeper"))


def is_awaited(config: DictConfig) -> bool:
    """Say whether what a sweep does next depends on how a job ends, so that it cannot be left to another process.

    That is so of every trial, of every job of a sweeper that plans by scores, and of the seeds of a planned look.

    Args:
        config: The job's configuration, with Hydra's node.
    """
    return is_trial(config) or not str(config.hydra.sweeper.get("_target_")).endswith(_ASKING_NOTHING)


def check_objective(config: DictConfig) -> None:
    """Refuse a sweep that would look for the worst score, or for one that there is not.

    Args:
        config: The configuration of the sweep or of one of its jobs, with Hydra's node.

    Raises:
        ConfigError: Names the key and what to set.
    """
    if not optimises(config):
        return
    monitor = config.trainer.monitor
    if monitor == LAST_EPOCH:
        raise ConfigError("trainer.monitor=last: the sweeper needs a score to optimise; set trainer.monitor=val/loss")
    better = monitor_mode(monitor)
    for key, read in _DIRECTIONS.items():
        value = OmegaConf.select(config.hydra.sweeper, key)
        if OmegaConf.is_list(value):
            raise ConfigError(f"hydra.sweeper.{key}={value}: a run has one score to optimise, {monitor}")
        if value is not None and read(value) != better:
            words, said = "higher" if better == "max" else "lower", getattr(value, "name", value)
            raise ConfigError(
                f"hydra.sweeper.{key}={said}: trainer.monitor={monitor} is better when {words}; "
                "turn the direction round or set another monitor"
            )


def check_metrics(configs: Iterable[DictConfig]) -> None:
    """Refuse a sweep that no job could compare by the score that is to decide; else each would say so by itself.

    Args:
        configs: Those of its jobs.

    Raises:
        ConfigError: Of the first job.
    """
    configs = list(configs)
    if all(config.comparison is None for config in configs):
        return
    # Imported here: it imports torch, which a sweep without a comparison does not need.
    from segbench import assembly

    refused = []
    for config in configs:
        try:
            assembly.check_metrics(config)
            return
        except SegbenchError as error:
            refused.append(error)
    if all(isinstance(error, ConfigError) for error in refused):
        raise refused[0]


def monitored_score(directory: Path) -> float | None:
    """Return a finished run's best value of ``trainer.monitor``; None without one."""
    best = (read_json(RunDirectory(directory).summary) or {}).get("best") or {}
    return None if best.get("value") is None else float(best["value"])


def job_return(config: DictConfig, overrides: list[str], directory: Path, outcome: dict[str, Any]) -> JobReturn:
    """Return to the sweeper what a job came to.

    A failed job is said to have failed only to a sweeper that optimises. Hydra's own would raise it, which would hide
    the other jobs; the sweep's table and exit code tell of it.

    Args:
        config: The job's configuration.
        overrides: The job's overrides.
        directory: Its run directory.
        outcome: Its ``exit_code`` and ``reason``.
    """
    failed = outcome["exit_code"] != 0
    result = JobReturn(overrides=overrides, cfg=config, status=JobStatus.COMPLETED, working_dir=str(directory))
    result.return_value = None if failed else monitored_score(directory)
    if failed and optimises(config):
        result.status = JobStatus.FAILED
        result.return_value = SegbenchError(f"{directory.name}: {outcome['reason']}")
    return result
