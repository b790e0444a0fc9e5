"""Train and test one configuration, or sweep many: ``python src/run.py --help``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Hydra and Lightning then leave their exceptions to segbench.entry, which says them in one line.
os.environ.setdefault("HYDRA_FULL_ERROR", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from segbench.entry import run_entry_point
from segbench.resolvers import register
from segbench.runs.identity import experiment_name, run_id

register()


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def job(cfg: DictConfig) -> None:
    """Run one configuration in the directory that Hydra made for it."""
    from segbench.runs.directory import RunDirectory
    from segbench.train import train

    hydra_cfg = HydraConfig.get()
    directory = Path(hydra_cfg.runtime.output_dir)
    full = OmegaConf.merge(cfg, {"hydra": {"runtime": {"choices": hydra_cfg.runtime.choices}}})
    assert isinstance(full, DictConfig)
    identity = {
        "id": run_id(cfg),
        "name": directory.name,
        "experiment": experiment_name(full),
        "choices": {key: value for key, value in hydra_cfg.runtime.choices.items() if not key.startswith("hydra/")},
        "overrides": list(hydra_cfg.overrides.task),
        "seed": cfg.seed,
    }
    train(cfg, RunDirectory(directory), identity)


if __name__ == "__main__":
    sys.exit(run_entry_point(job))
