"""The U-Net of the cardiac comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segbench.models.blocks import require_dropout, require_positive


def _unit(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Return a 3x3 convolution, batch normalisation and a leaky ReLU (slope 0.01)."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
    return [convolution, nn.BatchNorm2d(out_channels), nn.LeakyReLU(inplace=True)]


class CardiacUNet(nn.Module):
    """U-Net with leaky ReLUs, dropout and transposed convolutions.

    Three stages, each of two units (3x3 convolution, batch normalisation, leaky ReLU), 2x2 max pooling and dropout; one
    unit at the bottom; a decoder of 2x2 transposed convolutions, each concatenated with its skip connection and
    followed by two units; a 1x1 head. After Ronneberger et al. 2015 (arXiv 1505.04597) with these changes.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first stage; each stage below doubles them.
        dropout: Dropout probability after each pooling, in [0, 1).

    Attributes:
        stride: Height and width of the image must be multiples of this.
        encoder: The three stages and the bottom.
        head: The last 1x1 convolution.

    Raises:
        ValueError: If an argument is out of range.
    """

    stride = 8

    def __init__(self, in_channels: int, out_channels: int, width: int = 32, dropout: float = 0.2) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, width=width)
        require_dropout(dropout)
        filters = [width, 2 * width, 4 * width]
        stages = [
            nn.Sequential(*_unit(before, here), *_unit(here, here))
            for before, here in zip((in_channels, *filters[:-1]), filters, strict=True)
        ]
        self.encoder = nn.ModuleList([*stages, nn.Sequential(*_unit(filters[-1], 8 * width))])
        self.shrink = nn.Sequential(nn.MaxPool2d(kernel_size=2), nn.Dropout(dropout))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * here, here, kernel_size=2, stride=2) for here in filters[::-1])
        self.blocks = nn.ModuleList(nn.Sequential(*_unit(2 * here, here), *_unit(here, here)) for here in filters[::-1])
        self.head = nn.Conv2d(width, out_channels, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by 8."""
        skips: list[Tensor] = []
        x = image
        for stage in list(self.encoder)[:-1]:
            skips.append(stage(x))
            x = self.shrink(skips[-1])
        x = self.encoder[-1](x)
        for up, block in zip(self.ups, self.blocks, strict=True):
            x = block(torch.cat((skips.pop(), up(x)), dim=1))
        return self.head(x)
