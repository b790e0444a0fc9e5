"""Train and test one configuration, or sweep many: ``segbench run``, ``python src/run.py``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from segbench.configuration.arguments import arranged
from segbench.configuration.choices import chosen, own_folder
from segbench.configuration.recorded import recorded_overrides
from segbench.configuration.resolvers import register
from segbench.entry import print_error, run_entry_point
from segbench.errors import InterruptedRun, SegbenchError
from segbench.installation import CONF
from segbench.runs.identity import run_id

register()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def job(cfg: DictConfig) -> float | None:
    """Train one configuration in the directory that Hydra created for it; return its best score, for sweepers."""
    from segbench.following import follows
    from segbench.reporting.single import print_run
    from segbench.runs.directory import RunDirectory
    from segbench.runs.history import start
    from segbench.sweep.objective import monitored_score
    from segbench.terminal import terminal
    from segbench.train import train

    hydra_cfg = HydraConfig.get()
    choices = chosen(hydra_cfg.runtime.choices)
    directory = Path(hydra_cfg.runtime.output_dir)
    # As typed: a list of OmegaConf's would give the values of what they refer to, secrets of the environment too.
    typed: Any = OmegaConf.to_container(hydra_cfg.overrides.task, resolve=False)
    identity = {
        "id": run_id(cfg),
        "name": directory.name,
        "experiment": choices.get("experiment") or "runs",
        "choices": choices,
        "overrides": recorded_overrides(typed),
        "seed": cfg.seed,
        "config_dir": own_folder(sys.argv[1:]),
        "python_path": os.environ.get("PYTHONPATH"),
    }
    try:
        if follows(cfg):
            return None
        start(directory, identity)
        train(cfg, RunDirectory(directory), identity)
        print_run(directory, terminal())
        return monitored_score(directory)
    except SegbenchError as error:
        # With Hydra's own launchers, a sweep continues after an exception in a job, but not after an exit: stopping a
        # job by a signal stops the sweep.
        if cfg.debug or (hydra_cfg.mode != RunMode.RUN and not isinstance(error, InterruptedRun)):
            raise
        sys.exit(print_error(error))


def main() -> None:
    """Run or sweep what the command line says.

    Raises:
        ConfigError: If it cannot be read.
    """
    sys.argv[1:] = arranged(sys.argv[1:])
    job()


def command() -> int:
    """Run what was typed; return the exit code."""
    return run_entry_point(main)
