"""Train and test one configuration, or sweep many: ``segbench run``, ``python src/run.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from segbench.configuration.arguments import arranged
from segbench.configuration.choices import own_folder
from segbench.configuration.resolvers import register
from segbench.entry import print_error, run_entry_point
from segbench.errors import InterruptedRun, SegbenchError
from segbench.installation import CONF

register()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def job(cfg: DictConfig) -> float | None:
    """Train one configuration in the directory that Hydra created for it; return its best score, for sweepers."""
    from segbench.following import follows
    from segbench.reporting.single import print_run
    from segbench.starting import train_in
    from segbench.sweep.objective import monitored_score
    from segbench.terminal import terminal

    hydra_cfg = HydraConfig.get()
    directory = Path(hydra_cfg.runtime.output_dir)
    try:
        if follows(cfg):
            return None
        train_in(directory, cfg, hydra_cfg, own_folder(sys.argv[1:]))
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
