"""Activation checkpointing: inner activations are recomputed in the backward pass instead of being stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def run_block(block: nn.Module, x: Tensor, checkpointing: bool) -> Tensor:
    """Return ``block(x)``; with checkpointing, only ``x`` is stored for the backward pass.

    Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016 (arXiv 1604.06174): trades one more forward pass
    of the block for the memory of its activations. Outputs, gradients, dropout masks and batch-norm running statistics
    are bit-identical to those without checkpointing. In evaluation mode the block is simply called.

    Args:
        block: What is recomputed; it must depend only on its input, its parameters and torch's random state.
        x: Its input (B,C,H,W).
        checkpointing: Whether to checkpoint.
    """
    if not (checkpointing and block.training and torch.is_grad_enabled()):
        return block(x)
    if torch.compiler.is_compiling():
        # The compiler keeps updates of the running statistics out of what it recomputes.
        return checkpoint(block, x, use_reentrant=False)
    return checkpoint(block, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _frozen_statistics(block)))


@contextmanager
def _frozen_statistics(block: nn.Module) -> Iterator[None]:
    """Let batch normalisation update copies of its running statistics: the first pass updated the real ones."""
    kept = [(layer, dict(layer._buffers)) for layer in block.modules() if isinstance(layer, _BatchNorm)]
    for layer, buffers in kept:
        layer._buffers.update({name: None if value is None else value.clone() for name, value in buffers.items()})
    try:
        yield
    finally:
        for layer, buffers in kept:
            layer._buffers.update(buffers)
