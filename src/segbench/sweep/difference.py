"""In what two jobs of a sweep differ."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf


def difference(one: DictConfig, other: DictConfig) -> str | None:
    """Return the first key in which the configurations of two jobs differ, Hydra's node aside."""
    for key in (str(key) for key in one if key != "hydra"):
        values = [config[key] for config in (one, other)]
        if all(OmegaConf.is_dict(value) for value in values):
            inner = difference(*values)
            if inner or list(values[0]) != list(values[1]):
                return f"{key}.{inner}" if inner else key
        elif values[0] != values[1]:
            return key
    return None
