"""What a task's network must know where the images of a training step are spread over several processes."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.dropout import _DropoutNd

from segbench.models.over_processes import drops_as_told, has_batch_norm, share_batch_norm, share_dropout
from segbench.tasks.base import Task

log = logging.getLogger("segbench")


def share_layers(task: Task[Any], image: Tensor, statistics: bool, cuda: bool) -> None:
    """Let dropout and batch normalisation see the images of all processes, as in one process.

    A network that draws random numbers by itself, not by torch's layers, cannot be told of the others: each process
    then draws numbers of its own.

    Args:
        task: The task, on the processor.
        image: An image (1,C,H,W) as it is trained on.
        statistics: Whether batch normalisation takes the statistics of all images.
        cuda: Whether the network is trained on graphics cards.

    Raises:
        ConfigError: If batch normalisation is not torch's, so that it cannot see the images of all processes.
    """
    task.shares_draws = not _draws_by_itself(task, image)
    if task.shares_draws:
        share_dropout(task.network)
    else:
        log.info("the network draws random numbers by itself: each process draws others, and one process others still")
    if not has_batch_norm(task.network):
        return
    if statistics:
        share_batch_norm(task.network, cuda)
    else:
        log.warning(
            "trainer.sync_batchnorm=false: batch normalisation takes the statistics of each process's own images, "
            "so the result depends on the number of processes"
        )


def _draws_by_itself(task: nn.Module, image: Tensor) -> bool:
    """Say whether a task's network draws random numbers in training beside those that are shared."""
    drawing = [layer for layer in task.modules() if isinstance(layer, _DropoutNd) and drops_as_told(layer)]
    rates = [layer.p for layer in drawing]
    buffers = {name: buffer.clone() for name, buffer in task.named_buffers()}
    training = task.training
    for layer in drawing:
        layer.p = 0.0
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            before = torch.get_rng_state()
            # Two images, as of one batch normalisation may have no variance.
            functional_call(task.train(), buffers, (torch.cat((image, image)),))
            return not torch.equal(before, torch.get_rng_state())
    finally:
        task.train(training)
        for layer, rate in zip(drawing, rates, strict=True):
            layer.p = rate
