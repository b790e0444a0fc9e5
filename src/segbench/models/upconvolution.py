"""A 3x3 convolution of an image whose pixels are doubled, without the doubled image.

Twofold nearest-neighbour upsampling u and a 3x3 convolution w with a padding of zeros are one 4x4 transposed
convolution k of stride 2 and padding 1. Along an axis, u[2i] = u[2i+1] = x[i], so that

    y[2i]   = w0 u[2i-1] + w1 u[2i] + w2 u[2i+1]   = w0 x[i-1] + (w1 + w2) x[i]
    y[2i+1] = w0 u[2i] + w1 u[2i+1] + w2 u[2i+2]   = (w0 + w1) x[i] + w2 x[i+1]

and, as a transposed convolution adds k[p - 2i + 1] x[i] to y[p], k = (w2, w1 + w2, w0 + w1, w0). Beyond the border u
and x are both zero. It takes 4 products a pixel and channel in place of 9, differs by rounding alone, and what is
trained and stored is still w.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

# Up to so many pixels of all images of a batch, making the kernel and fetching 16 weights in place of 9 takes longer
# than the products do that it saves: python -m benchmarks.upconvolution.
FEW_PIXELS = 512
_folds = True


@contextmanager
def as_defined() -> Iterator[None]:
    """Upsample and convolve, one after the other, everywhere: to count operations, or to compare the two forms."""
    global _folds
    before, _folds = _folds, False
    try:
        yield
    finally:
        _folds = before


def convolve_upsampled(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Return the 3x3 convolution, padded by zeros, of ``x`` upsampled twofold (nearest): (B,in,H,W) to (B,out,2H,2W).

    On a processor, where a batch has more than 512 pixels, it is folded, which takes about half the time. On a graphics
    card, where nobody has measured it, it is not.

    Args:
        x: (B,in,H,W), floating.
        convolution: The convolution, with a padding of 1.
    """
    weight, bias = convolution.weight, convolution.bias
    if _folds and x.is_cpu and len(x) * x.shape[2] * x.shape[3] > FEW_PIXELS:
        return functional.conv_transpose2d(x, folded(weight), bias, stride=2, padding=1)
    return functional.conv2d(functional.interpolate(x, scale_factor=2.0, mode="nearest"), weight, bias, padding=1)


def folded(weight: Tensor) -> Tensor:
    """Return the kernel (in,out,4,4) of the transposed convolution for one of (out,in,3,3).

    Sums are in the precision of the weights: autocast rounds what they give, as it rounds weights.
    """
    kernel = weight.transpose(0, 1)
    for axis in (2, 3):
        first, second, third = kernel.unbind(axis)
        kernel = torch.stack((third, second + third, first + second, first), axis)
    return kernel
