"""Where runs may lie: in folders that their identity names, so that no run goes on with another's checkpoints."""

from __future__ import annotations

from pathlib import Path

from hydra.types import RunMode
from omegaconf import DictConfig

from segbench.errors import ConfigError
from segbench.runs.identity import run_name


def check_places(cfg: DictConfig) -> None:
    """Refuse what Hydra offers for the folders of runs and what a run here cannot have.

    Args:
        cfg: The whole configuration, with Hydra's own node.

    Raises:
        ConfigError: If the run's folder is not called by its identity, or if jobs would change into it.
    """
    hydra = cfg.hydra
    if hydra.job.chdir:
        raise ConfigError("hydra.job.chdir=true: paths begin at the folder where the command is typed; leave it out")
    single = hydra.mode == RunMode.RUN
    key, value = ("run.dir", hydra.run.dir) if single else ("sweep.subdir", hydra.sweep.subdir)
    if (name := run_name(cfg)) != Path(str(value)).name:
        raise ConfigError(
            f"hydra.{key}={value}: a run's folder is called by what it is, {name}; leave it out and set paths.outputs"
        )


def check_sweep_folder(cfg: DictConfig) -> None:
    """Refuse a sweep without a folder, before Hydra writes into the one where the command was typed.

    Args:
        cfg: The sweep's configuration, with Hydra's own node.

    Raises:
        ConfigError: If ``hydra.sweep.dir`` is empty.
    """
    if not str(cfg.hydra.sweep.dir).strip():
        raise ConfigError("hydra.sweep.dir: is empty; leave it out and set paths.outputs")
