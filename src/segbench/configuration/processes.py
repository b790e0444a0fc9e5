"""Whether the parts of a configuration may be used by several processes together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from segbench.errors import ConfigError
from segbench.processes import DECLARATION

# Whose classes are made for several processes.
_MADE_FOR_IT = ("segbench", "pytorch_lightning", "lightning")
_ALONE = "use trainer.devices=1"


def check_processes(cfg: DictConfig, parts: Mapping[str, Any]) -> None:
    """Refuse several processes where a part might be silently wrong in them.

    A class of one's own says of itself that it is made for them; what it inherits says nothing of what it adds.

    Args:
        cfg: The whole configuration.
        parts: The data module, the task's class, the loss and the callbacks, by their keys.

    Raises:
        ConfigError: Names the key and what to set.
    """
    trainer = cfg.trainer
    if trainer.devices == trainer.num_nodes == 1 and trainer.strategy == "auto":
        return
    asked = f"trainer.devices={trainer.devices}" if trainer.devices > 1 else f"trainer.num_nodes={trainer.num_nodes}"
    if trainer.accelerator == "mps":
        raise ConfigError(f"{asked}: Apple's graphics processor is one device; {_ALONE}")
    for key, part in parts.items():
        cls = part if isinstance(part, type) else type(part)
        if cls.__module__.partition(".")[0] not in _MADE_FOR_IT and not vars(cls).get(DECLARATION, False):
            raise ConfigError(
                f"{key}: {cls.__name__} does not say that it works in several processes; {_ALONE}, or say "
                f"{DECLARATION} = True in the class (docs/processes.md)"
            )
