"""Whether a machine can do what a configuration asks of it: threads, processes, memory."""

from __future__ import annotations

import math

from omegaconf import DictConfig

from segbench import environment
from segbench.errors import ConfigError
from segbench.words import plural

# More than this many threads or processes for each processor only wait for each other.
_PER_PROCESSOR = 8


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
