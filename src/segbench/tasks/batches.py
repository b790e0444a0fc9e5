"""Whether a network can be trained on every batch of an epoch, before the first."""

from __future__ import annotations

import math
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn
from torch.func import functional_call

from segbench.errors import ConfigError
from segbench.processes import Share
from segbench.team import processes_asked


def check_batches(cfg: DictConfig, task: nn.Module, data: Any) -> None:
    """Refuse an epoch without a batch, and one with a batch that the network's batch normalisation cannot take.

    Of a batch of one image, a layer that sees one value per channel has no variance; torch raises there, in the midst
    of the first epoch. Joining the image to another batch would give this network other batches than those that it is
    compared with, so it is left to the user.

    Args:
        cfg: The whole configuration.
        task: The task in training mode, on the processor: its network may take images only after it has padded them.
        data: The data module, set up (:class:`segbench.data.base.ImageData`).

    Raises:
        ConfigError: Names the key and what to set.
    """
    images, limit = len(data.datasets["train"]), cfg.trainer.limit_train_batches
    size = data.images_per_batch(data.datasets["train"])
    batches = math.ceil(images / size)
    if isinstance(limit, float) and int(batches * limit) < 1:
        share = math.ceil(1000 / batches) / 1000
        raise ConfigError(
            f"trainer.limit_train_batches={limit}: is less than one batch of an epoch's {batches}; "
            f"set {share} or more, or 1 for one batch"
        )
    steps = batches if limit is None else int(batches * limit) if isinstance(limit, float) else limit
    # An epoch of more steps than one pass has full batches only (segbench.data.loader).
    smallest = images - (batches - 1) * size if steps == batches else size
    if _leaves_one_alone(cfg, {smallest, size} if steps > 1 else {smallest}) and _lacks_variance(
        task, torch.zeros(1, data.in_channels, *data.trained_size())
    ):
        height, width = data.trained_size()
        raise ConfigError(
            f"data.batch_size={cfg.data.batch_size}: of the {images} training images one is a batch by itself, and of "
            f"one image of {width}x{height} batch normalisation sees a single value per channel; "
            f"set {_better(size, images)}a larger data.size"
        )


def _leaves_one_alone(cfg: DictConfig, batches: set[int]) -> bool:
    """Say whether batch normalisation sees one image of a batch of these sizes, of which each process has a part."""
    processes = 1 if cfg.trainer.sync_batchnorm else processes_asked(cfg)
    return any(Share(rank, processes).of(images) == 1 for images in batches for rank in range(processes))


def _better(size: int, images: int) -> str:
    """Return the nearest number of images per batch that leaves no image alone."""
    fitting = [number for number in range(2, images + 1) if images % number != 1]
    return f"data.batch_size={min(fitting, key=lambda number: abs(number - size))} or " if fitting else ""


def _lacks_variance(task: nn.Module, image: torch.Tensor) -> bool:
    """Say whether a layer of the task's network, in training, sees one value per channel of a batch."""
    buffers = {name: buffer.clone() for name, buffer in task.named_buffers()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            functional_call(task, buffers, (image,))
    except ValueError as error:
        if "Expected more than 1 value per channel" in str(error):
            return True
        raise
    return False
