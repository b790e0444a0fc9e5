"""Activation checkpointing: inner results are computed again in the backward pass instead of being kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def call(block: nn.Module, x: Tensor, checkpointing: bool) -> Tensor:
    """Return ``block(x)``; with checkpointing only ``x`` is kept for the backward pass.

    Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016 (arXiv 1604.06174): one more forward pass of the
    block for the memory of what lies inside it. Result, gradients, dropout and the running statistics of batch
    normalisation are the same to the bit as without. A block in evaluation is called as it is.

    Args:
        block: What is computed again; it must be a function of its input, its weights and torch's random state.
        x: Its input (B,C,H,W).
        checkpointing: Whether to.
    """
    if not (checkpointing and block.training and torch.is_grad_enabled()):
        return block(x)
    if torch.compiler.is_compiling():
        # The compiler takes a block's changes of its statistics out of what it computes again.
        return checkpoint(block, x, use_reentrant=False)
    return checkpoint(block, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_kept(block)))


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Let batch normalisation move copies of its running statistics: the first pass moved the real ones."""
    kept = [(layer, dict(layer._buffers)) for layer in block.modules() if isinstance(layer, _BatchNorm)]
    for layer, buffers in kept:
        layer._buffers.update({name: None if value is None else value.clone() for name, value in buffers.items()})
    try:
        yield
    finally:
        for layer, buffers in kept:
            layer._buffers.update(buffers)
