"""Large images predicted window by window."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Standard deviation of the Gaussian as a share of the window's side: Isensee et al., nnU-Net, Nature Methods 18, 2021.
_SPREAD = 1 / 8
# Windows that a graphics card predicts together. A processor would gain nothing by it, and what it computes of a window
# alone has the same bits however many others there are.
_TOGETHER = 8
# A window's corner must count for something where no other window lies.
_LEAST = 1e-3


@dataclass(frozen=True)
class Windows:
    """How an image is cut for prediction and put together again.

    Exactly one of ``size`` and ``tiles`` is given. Neighbouring windows overlap by at least ``overlap`` (but begin at
    least a pixel apart); where windows overlap, logits are averaged, weighted by a Gaussian around each window's centre
    (standard deviation an eighth of the side; Isensee et al., nnU-Net, Nature Methods 18, 2021). Tiles do not overlap
    and each counts alone.

    Args:
        size: Height and width of a window; sides of the image that are shorter are taken whole.
        tiles: Rows and columns into which the image is cut.
        overlap: Share of a window's side, 0 to below 1, that neighbours have in common.
    """

    size: tuple[int, int] | None = None
    tiles: tuple[int, int] | None = None
    overlap: float = 0.5

    def predict(self, forward: Callable[[Tensor], Tensor], image: Tensor, together: int | None = None) -> Tensor:
        """Return the logits (B,K,H,W) of images (B,C,H,W).

        Args:
            forward: From images (B,C,h,w) to logits (B,K,h,w).
            image: The images, of any size.
            together: Images of windows that go through the network at a time; None for what suits the device.
        """
        if together is None:
            together = 1 if image.device.type == "cpu" else _TOGETHER
        sides = image.shape[-2:]
        overlap = self.overlap if self.size else 0.0
        wanted = self.size or [math.ceil(side / parts) for side, parts in zip(sides, self.tiles or (1, 1), strict=True)]
        height, width = (min(side, most) for side, most in zip(sides, wanted, strict=True))
        weight = gaussian(height, width, image.device) if overlap else torch.ones(height, width, device=image.device)
        total, weights = None, torch.zeros(sides, device=image.device)
        corners = [
            (top, left) for top in starts(sides[0], height, overlap) for left in starts(sides[1], width, overlap)
        ]
        at_once = max(together // len(image), 1)
        for first in range(0, len(corners), at_once):
            some = [(..., slice(y, y + height), slice(x, x + width)) for y, x in corners[first : first + at_once]]
            logits = forward(torch.cat([image[place] for place in some])).float()
            if total is None:
                total = logits.new_zeros(len(image), logits.shape[1], *sides)
            for place, own in zip(some, logits.split(len(image)), strict=True):
                total[place] += own * weight
                weights[place] += weight
        assert total is not None
        # In place: of a large image there is the sum and no second one.
        return total.div_(weights)


def starts(side: int, window: int, overlap: float) -> list[int]:
    """Return where windows begin along a side: evenly spread, the first at 0, the last ending at the end.

    Args:
        side: Length of the image's side.
        window: Length of the window's, at most ``side``.
        overlap: Least share of a window that neighbours have in common.
    """
    if window == side:
        return [0]
    # A whole number of pixels, or rounding the places would make some neighbours overlap less. 0.55 of 100 pixels is a
    # little more than 55 in binary.
    step = max(window - math.ceil(window * overlap - 1e-9), 1)
    number = math.ceil((side - window) / step)
    return [round(index * (side - window) / number) for index in range(number + 1)]


def gaussian(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return a Gaussian around the centre of a window, 1 at most, float32 (height, width)."""
    rows, columns = (
        torch.exp(-0.5 * ((torch.arange(side, device=device) - (side - 1) / 2) / (side * _SPREAD)) ** 2)
        for side in (height, width)
    )
    return (rows[:, None] * columns).clamp(min=_LEAST)
