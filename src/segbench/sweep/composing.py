"""The configurations of a sweep's jobs."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

from segbench.configuration.machine import left_open
from segbench.fastest import choose


class Composer:
    """Composes the jobs of a sweep.

    What ``trainer=fast`` leaves open is chosen by the first job that does, and the same for all: rows that are compared
    are trained alike.

    Args:
        context: Hydra's.
        config: The sweep's configuration.
    """

    def __init__(self, context: HydraContext, config: DictConfig) -> None:
        self.context, self.config = context, config
        self._chosen: dict[tuple[str, ...], list[str]] = {}

    def __call__(self, overrides: Sequence[str], number: int = 0) -> tuple[DictConfig, list[str]]:
        """Return a job's configuration, valid, and its overrides with what was chosen.

        Args:
            overrides: What the job sets beside what the sweep sets.
            number: Its number in the sweep.

        Raises:
            ConfigError: If its configuration is invalid.
        """
        from segbench.configuration.schema import validate

        overrides = list(overrides)
        config = self._composed(overrides, number)
        validate(config)
        if keys := tuple(left_open(config)):
            if keys not in self._chosen:
                self._chosen[keys] = [f"{key}={str(value).lower()}" for key, value in choose(config).items()]
            overrides += self._chosen[keys]
            config = self._composed(overrides, number)
        return config, overrides

    def _composed(self, overrides: list[str], number: int) -> DictConfig:
        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        return config
