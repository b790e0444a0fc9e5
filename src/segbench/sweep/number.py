"""The number of a sweep's jobs, before any is composed: a slip such as ``seed=range(0,100000)`` would take minutes."""

from __future__ import annotations

import math
from itertools import islice

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from segbench.errors import ConfigError
from segbench.sweep.objective import optimises

# Composed within half a minute; at ten seconds a job they train for a day.
MOST_JOBS = 10_000
_COUNTED = 10_000_000


def check_number(config: DictConfig) -> None:
    """Refuse a sweep of more than :data:`MOST_JOBS` jobs; a sweeper that optimises has a number of its own.

    Args:
        config: The configuration of the sweep, with Hydra's node.

    Raises:
        ConfigError: Says the number and the remedy.
    """
    if optimises(config):
        return
    own = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*own, *config.hydra.overrides.task])
    swept = {override.key_or_group: _values(override) for override in overrides}
    if (jobs := math.prod(swept.values())) > MOST_JOBS:
        longest = max(swept, key=lambda key: swept[key])
        raise ConfigError(
            f"--multirun: {jobs:,} jobs, of which a sweep may have {MOST_JOBS:,}; {longest} has {swept[longest]:,}"
            " values, sweep over some of them at a time"
        )


def _values(override: Override) -> int:
    """Return how many values an override has, of endless ones the first."""
    if not (override.is_choice_sweep() or override.is_range_sweep()):
        return 1
    return sum(1 for _ in islice(override.sweep_iterator(), _COUNTED))
