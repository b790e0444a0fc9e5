"""Train and test one configuration, or sweep many: ``python src/run.py --help``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Hydra and Lightning then leave their exceptions to segbench.entry, which says them in one line.
os.environ.setdefault("HYDRA_FULL_ERROR", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# Threads that wait for each other by spinning slow a step 10 times and more as soon as another process wants a core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from segbench.configuration.choices import own_folder
from segbench.configuration.resolvers import register
from segbench.entry import refuse, run_entry_point
from segbench.errors import InterruptedRun, SegbenchError
from segbench.runs.identity import run_id

register()


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def job(cfg: DictConfig) -> None:
    """Run one configuration in the directory that Hydra made for it."""
    from segbench.reporting.single import print_run
    from segbench.runs.directory import RunDirectory
    from segbench.terminal import terminal
    from segbench.train import train

    hydra_cfg = HydraConfig.get()
    choices = {key: value for key, value in hydra_cfg.runtime.choices.items() if not key.startswith("hydra/")}
    directory = Path(hydra_cfg.runtime.output_dir)
    identity = {
        "id": run_id(cfg),
        "name": directory.name,
        "experiment": choices.get("experiment") or "runs",
        "choices": choices,
        "overrides": list(hydra_cfg.overrides.task),
        "seed": cfg.seed,
        "config_dir": own_folder(sys.argv[1:]),
    }
    try:
        train(cfg, RunDirectory(directory), identity)
        print_run(directory, terminal())
    except SegbenchError as error:
        # In a sweep of Hydra's own launchers the other jobs go on after an exception, but not after an exit: who
        # stops one of them stops the sweep.
        if cfg.debug or (hydra_cfg.mode != RunMode.RUN and not isinstance(error, InterruptedRun)):
            raise
        sys.exit(refuse(error))


if __name__ == "__main__":
    sys.exit(run_entry_point(job))
