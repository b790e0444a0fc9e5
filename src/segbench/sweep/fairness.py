"""What trials need so that the settings that they choose are fair: images and seeds of their own."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from omegaconf import DictConfig, OmegaConf

from segbench.configuration.monitor import LAST_EPOCH
from segbench.errors import ConfigError
from segbench.runs.identity import relevant
from segbench.runs.settings import flatten, is_under
from segbench.runs.tuning import UNTUNED

# What acts after the training alone: runs that differ in it have one row, and its trials.
TRAINED_ALIKE = ("predict.tta=null", "predict.ensemble=null")


class Job(Protocol):
    """One job of a sweep."""

    number: int
    overrides: list[str]
    config: DictConfig
    directory: Path
    outcome: dict[str, Any]

    def moved(self, directory: Path) -> Self:
        """Return the job with another run directory."""


class Movable(Protocol):
    """A job, as far as its directory goes."""

    directory: Path

    def moved(self, directory: Path) -> Self:
        """Return the job with another run directory."""


JobT = TypeVar("JobT", bound=Movable)


def waiting(job: JobT) -> JobT:
    """Return a job as it is named until its settings are chosen."""
    return job.moved(job.directory.with_name(f"{job.directory.name}{UNTUNED}"))


def check_fair(
    cfg: DictConfig, keys: Collection[str], seeds: Collection[int], asked_by: str, swept: Collection[str] = ()
) -> None:
    """Refuse trials that would see the images that runs are tested on, or tune what is compared.

    Args:
        cfg: The configuration of a job that gets what trials choose.
        keys: What is tuned.
        seeds: Those of the runs.
        asked_by: What on the command line asks for trials.
        swept: What is swept among the keys.

    Raises:
        ConfigError: Names the key and what to do.
    """
    if cfg.trainer.monitor == LAST_EPOCH:
        raise ConfigError(
            f"{asked_by}: trainer.monitor=last leaves no score to choose by; set trainer.monitor=val/loss"
        )
    if OmegaConf.select(cfg, "data.folds") is not None:
        raise ConfigError(
            f"{asked_by}: a fold is validated on images that other folds test, so it cannot be tuned without them; "
            "leave out data.folds"
        )
    if cfg.tuning.seed in seeds:
        raise ConfigError(f"tuning.seed={cfg.tuning.seed}: is a seed of the comparison; set another")
    factors = cfg.comparison.factors if cfg.comparison else ()
    for key in keys:
        if key in factors or key in swept:
            raise ConfigError(f"{key}: is compared, so it cannot be tuned; tune other keys")


def check_seed(asked: DictConfig, trial: DictConfig, asked_by: str) -> None:
    """Refuse what would be other data, or other weights to begin with, by another seed.

    Args:
        asked: The configuration of a job that gets what trials choose.
        trial: The same with the seed of the trials.
        asked_by: What on the command line asks for trials.

    Raises:
        ConfigError: Names the key and what to do.
    """
    with_own, with_other = flatten(relevant(asked)), flatten(relevant(trial))
    differing = [key for key in with_own.keys() | with_other.keys() if with_own.get(key) != with_other.get(key)]
    if follows := sorted(key for key in differing if is_under(key, ("data", "init_from"))):
        raise ConfigError(
            f"{follows[0]}={with_own.get(follows[0])}: follows the seed, and trials have a seed of their own"
            f" (tuning.seed={trial.tuning.seed}); fix it, or leave out {asked_by.partition('=')[0]}"
        )
