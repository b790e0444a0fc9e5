"""Whether a machine can do what a configuration asks of it: threads, processes, memory."""

from __future__ import annotations

import math

from omegaconf import DictConfig

from segbench import environment
from segbench.errors import ConfigError
from segbench.words import plural

# More than this many threads or processes for each processor only wait for each other.
_PER_PROCESSOR = 8
_MEASURED = ("precision", "channels_last", "compile")


def check_machine(cfg: DictConfig) -> None:
    """Refuse more threads or processes than the machine can start to any use.

    Args:
        cfg: The whole configuration.

    Raises:
        ConfigError: Names the key and the most that is possible.
    """
    processors = environment.processors()
    most = _PER_PROCESSOR * processors
    for key, number in (("trainer.threads", cfg.trainer.threads), ("data.num_workers", cfg.data.get("num_workers"))):
        if isinstance(number, int) and number > most:
            raise ConfigError(
                f"{key}={number}: this machine has {plural(processors, 'processor')}; set {most} or fewer"
            )


def left_open(cfg: DictConfig) -> list[str]:
    """Return the keys of ``trainer`` that are ``fastest``, which :mod:`segbench.fastest` finds by measuring."""
    return [key for key in _MEASURED if cfg.trainer[key] == "fastest"]


def check_chosen(cfg: DictConfig) -> None:
    """Refuse to begin a run that does not know what it computes with.

    Raises:
        ConfigError: Names the keys.
    """
    if keys := left_open(cfg):
        raise ConfigError(
            f"{', '.join(f'trainer.{key}=fastest' for key in keys)}: found by the command, segbench's launchers and "
            "segbench.api before a run has its name; set what to compute with"
        )


def check_memory(size: tuple[int, int], images: int, channels: int, outputs: int) -> None:
    """Refuse images of which a batch alone does not fit into memory, before the first is read.

    Args:
        size: Height and width that the network sees.
        images: Images per batch.
        channels: Channels of an image, 4 bytes each.
        outputs: Values that the network gives for a pixel, at least 2 bytes each.

    Raises:
        ConfigError: Names the size and what is there.
    """
    needed, available = math.prod(size) * images * (4 * channels + 2 * outputs), environment.memory_bytes()
    if needed > available:
        raise ConfigError(
            f"data.size={list(size)}: a batch of {plural(images, 'image')} and its scores take {_gib(needed)}, this "
            f"machine has {_gib(available)}; lower data.size or data.batch_size"
        )


def _gib(count: int) -> str:
    return f"{count / 2**30:.3g} GiB"
