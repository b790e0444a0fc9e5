"""From overrides to a configuration, without a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from segbench.configuration.resolvers import register
from segbench.installation import CONF


def compose(overrides: Sequence[str], config_dir: str | Path | None = None) -> DictConfig:
    """Return the configuration with Hydra's own node, as Hydra's grammar reads the overrides.

    Args:
        overrides: ``key=value`` each.
        config_dir: A folder of one's own choices, as ``--config-dir`` has it.

    Raises:
        HydraException: If they cannot be composed.
    """
    register()
    searched = [f"hydra.searchpath=['file://{Path(config_dir).resolve()}']"] if config_dir else []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("config", [*searched, *overrides], return_hydra_config=True)


def without_hydra(cfg: DictConfig) -> DictConfig:
    """Return a configuration without Hydra's own node."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
