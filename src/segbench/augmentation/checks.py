"""What several transforms refuse."""

from __future__ import annotations

from segbench.errors import ConfigError


def check_probability(name: str, p: float) -> None:
    """Refuse a probability outside [0,1], in one line that names the transform."""
    if not 0 <= p <= 1:
        raise ConfigError(f"augmentation: {name}: p={p} is no probability; set it between 0 and 1")
