"""Checks of arguments that several transforms share."""

from __future__ import annotations

from segbench.errors import ConfigError


def check_probability(name: str, p: float) -> None:
    """Check the probability of the transform called ``name``.

    Raises:
        ConfigError: If it is outside [0,1].
    """
    if not 0 <= p <= 1:
        raise ConfigError(f"augmentation: {name}: p={p} is not a probability; set it between 0 and 1")
