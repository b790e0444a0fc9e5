"""From a composed configuration to its run: what the command ``run`` and :func:`segbench.api.train` have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from segbench import train as training
from segbench.configuration.choices import chosen
from segbench.configuration.recorded import recorded_overrides
from segbench.runs.directory import RunDirectory
from segbench.runs.history import start
from segbench.runs.identity import run_id


def train_in(directory: Path, cfg: DictConfig, node: Any, config_dir: str | None) -> None:
    """Train a configuration in a run directory.

    Args:
        directory: The run directory.
        cfg: The configuration without Hydra's node.
        node: That node.
        config_dir: The folder of own choices, as typed.

    Raises:
        SegbenchError: For everything a user can mend.
    """
    choices = chosen(node.runtime.choices)
    # As typed: a list of OmegaConf's would give the values of what they refer to, secrets of the environment too.
    typed: Any = OmegaConf.to_container(node.overrides.task, resolve=False)
    identity = {
        "id": run_id(cfg),
        "name": directory.name,
        "experiment": choices.get("experiment") or "runs",
        "choices": choices,
        "overrides": recorded_overrides(typed),
        "seed": cfg.seed,
        "config_dir": config_dir,
        "python_path": os.environ.get("PYTHONPATH"),
    }
    start(directory, identity)
    training.train(cfg, RunDirectory(directory), identity)
