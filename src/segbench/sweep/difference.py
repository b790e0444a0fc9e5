"""In what the jobs of a sweep differ, and which of them are one run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from omegaconf import DictConfig, OmegaConf

from segbench.errors import ConfigError
from segbench.runs.identity import run_id

log = logging.getLogger("segbench")


class Job(Protocol):
    """One job of a sweep: its number, its configuration and its run directory."""

    number: int
    config: DictConfig
    directory: Path


JobT = TypeVar("JobT", bound=Job)


def each_once(jobs: Sequence[JobT]) -> list[JobT]:
    """Return the jobs without those that another spells differently (0.1 and 1e-1), and say which are left out.

    Args:
        jobs: The jobs of a sweep.

    Raises:
        ConfigError: If jobs differ by what makes no other run, so that they would write into one directory.
    """
    kept = dict[Path, JobT]()
    for job in jobs:
        first = kept.setdefault(job.directory, job)
        if first is job:
            continue
        if key := difference(first.config, job.config):
            values = [OmegaConf.select(config, key) for config in (first.config, job.config)]
            raise ConfigError(
                f"{key}={values[0]} and {key}={values[1]} are one run, as {key} changes no result; sweep something else"
            )
        log.info("#%d is the same run as #%d", job.number, first.number)
    return list(kept.values())


def next_ready(waiting: Sequence[JobT], running: Sequence[JobT]) -> JobT | None:
    """Return the first waiting job whose weights none that runs is training; such a job waits, to take them over.

    Args:
        waiting: Jobs in their order.
        running: Jobs that run.
    """
    ready = (job for job in waiting if not any(_trains_alike(job.config, other.config) for other in running))
    return next(ready, None)


def independent(jobs: Sequence[JobT]) -> list[JobT]:
    """Return the jobs that can run at the same time: of those that train the same weights, the first.

    Args:
        jobs: Jobs in their order, each another run.
    """
    if len({str(OmegaConf.select(job.config, "predict.tta")) for job in jobs}) < 2:
        return list(jobs)
    first = dict[str, JobT]()
    for job in jobs:
        first.setdefault(run_id(_training(job.config)), job)
    return list(first.values())


def on_same_data(one: Job, other: Job) -> bool:
    """Say whether two jobs read the same data, in the same way."""
    return difference(one.config.data, other.config.data) is None


def _trains_alike(one: DictConfig, other: DictConfig) -> bool:
    return difference(_training(one), _training(other)) is None


def _training(config: DictConfig) -> DictConfig:
    """Return a configuration without its ``predict.tta``, which is not part of training."""
    alike = config.copy()
    OmegaConf.set_readonly(alike, False)
    OmegaConf.update(alike, "predict.tta", None, force_add=True)
    return alike


def difference(one: DictConfig, other: DictConfig) -> str | None:
    """Return the first key in which the configurations of two jobs differ, Hydra's node aside."""
    for key in (str(key) for key in one if key != "hydra"):
        values = [config[key] for config in (one, other)]
        if all(OmegaConf.is_dict(value) for value in values):
            inner = difference(*values)
            if inner or list(values[0]) != list(values[1]):
                return f"{key}.{inner}" if inner else key
        elif values[0] != values[1]:
            return key
    return None
