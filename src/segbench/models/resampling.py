"""Resampling of feature maps that gives the same bits every time, on a graphics card too.

There torch's bilinear interpolation (backward) and its max unpooling add or write in an order that is never the same.
What takes their place there is elementwise or a matrix product; on the processor, where it would be slower, they stay.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def upsample_bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (B,C,*size), bilinearly interpolated between pixel centres (``align_corners=False``).

    Args:
        x: (B,C,H,W), floating.
        size: Height and width, at least those of ``x``.
    """
    if x.is_cpu:
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
    return interpolate_by_products(x, size)


def interpolate_by_products(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the same as a product of two matrices with ``x``, the rows' and the columns' weights."""
    rows, columns = (_weights(*sides, x) for sides in zip(x.shape[-2:], size, strict=True))
    return (rows @ x @ columns.T).to(x.dtype)


def _weights(before: int, after: int, like: Tensor) -> Tensor:
    """Return what each of ``before`` pixels adds to each of ``after``, (after, before): from 1 at its centre to 0."""
    centres = (torch.arange(after, device=like.device, dtype=torch.float32) + 0.5) * (before / after) - 0.5
    there = torch.arange(before, device=like.device, dtype=torch.float32)
    return (1 - (centres.clamp(0, before - 1).unsqueeze(1) - there).abs()).clamp(min=0).to(like.dtype)


def max_unpool(x: Tensor, where: Tensor) -> Tensor:
    """Return (B,C,2H,2W): each value of ``x`` at its place, 0 elsewhere.

    Args:
        x: (B,C,H,W).
        where: int64 (B,C,H,W), the indices of :func:`torch.nn.functional.max_pool2d` with a kernel of 2.
    """
    # torch cannot trace its own (2.13): it asks a traced size for a truth.
    own = x.is_cpu and not torch.jit.is_tracing()
    return functional.max_unpool2d(x, where, (2, 2)) if own else unpool_by_choice(x, where)


def unpool_by_choice(x: Tensor, where: Tensor) -> Tensor:
    """Return the same, each value chosen for one corner of its window of 2x2."""
    width = 2 * x.shape[-1]
    corner = where // width % 2 * 2 + where % 2
    corners = torch.arange(4, device=x.device).view(4, 1, 1)
    spread = torch.where(corner.unsqueeze(2) == corners, x.unsqueeze(2), 0.0)
    return functional.pixel_shuffle(spread.flatten(1, 2), 2)


class GlobalMaxPool(nn.Module):
    """The maximum of each channel; torch's adaptive pooling finds the same, but is exact on the processor only."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (B,C,1,1) for (B,C,H,W)."""
        return functional.max_pool2d(x, kernel_size=tuple(x.shape[-2:]))
