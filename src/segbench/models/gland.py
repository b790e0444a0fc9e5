"""Gland segmentation networks: a chain of hourglasses, a wasp waist, and a U-Net and a ResNet based on the waist."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from segbench.models.blocks import conv_unit, require_positive


def up_conv(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """Return a transposed 4x4 convolution that doubles height and width; (B,in,H,W) to (B,out,2H,2W)."""
    return nn.ConvTranspose2d(in_channels, out_channels, kernel_size=4, stride=2, padding=1)


class GlandChain(nn.Module):
    """Convolution, pooling and upsampling, three times in a row: 27,586 parameters for 2 channels and 2 logits.

    Each stage is a 3x3 convolution of 8, 16 or 32 filters, a ReLU, 2x2 max pooling and a transposed 4x4 convolution
    back to full size; a 1x1 head follows. Source: table 12 of the glands report.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        batch_norm: Whether batch normalisation precedes each ReLU.

    Attributes:
        stride: Height and width of the image must be multiples of this.
        encoder: The stages.
        head: The last 1x1 convolution.

    Raises:
        ValueError: If a number of channels is not a positive integer.
    """

    stride = 2

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool = False) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels)
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(conv_unit(before, here, batch_norm), nn.MaxPool2d(kernel_size=2), up_conv(here, here))
                for before, here in ((in_channels, 8), (8, 16), (16, 32))
            )
        )
        self.head = nn.Conv2d(32, out_channels, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are even."""
        return self.head(self.encoder(image))


class _Waist(nn.Module):
    """What the three networks below share: 32, 64, 128 filters on the way down, 64, 32 and 4 on the way up.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        stage: Builds a stage from its input and output channels.
        join: Whether each encoder stage is concatenated in front of the upsampled decoder features.
    """

    stride = 8

    def __init__(
        self, in_channels: int, out_channels: int, stage: Callable[[int, int], nn.Module], join: bool = False
    ) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels)
        self.join = join
        self.encoder = nn.ModuleList(stage(*pair) for pair in ((in_channels, 32), (32, 64), (64, 128)))
        self.pool = nn.MaxPool2d(kernel_size=2)
        self.ups = nn.ModuleList(up_conv(*pair) for pair in ((128, 64), (64, 32), (32, 4)))
        skips = (128, 64, 32) if join else (0, 0, 0)
        self.blocks = nn.ModuleList((stage(64 + skips[0], 64), stage(32 + skips[1], 32)))
        self.head = nn.Conv2d(4 + skips[2], out_channels, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by 8."""
        x, skips = image, list[Tensor]()
        for stage in self.encoder:
            skips.append(stage(x))
            x = self.pool(skips[-1])
        for up, block in zip(self.ups, (*self.blocks, self.head), strict=True):
            x, skip = up(x), skips.pop()
            x = block(torch.cat((skip, x), dim=1) if self.join else x)
        return x


class GlandWaist(_Waist):
    """Wasp waist without skip connections: 305,134 parameters for 2 channels and 2 logits.

    3x3 convolutions of 32, 64 and 128 filters with ReLUs, each followed by 2x2 max pooling; transposed 4x4 convolutions
    to 64 and 32 filters, each followed by a 3x3 convolution with a ReLU; a transposed one to 4 and a 1x1 head. Source:
    table 14 of the glands report.

    Args, attributes and errors are those of :class:`GlandChain`.
    """

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool = False) -> None:
        super().__init__(in_channels, out_channels, partial(conv_unit, batch_norm=batch_norm))


class GlandUNet(_Waist):
    """The waist with concatenated skip connections: 397,998 parameters for 2 channels and 2 logits.

    The output of each encoder stage before pooling is concatenated in front of that of the transposed convolution of
    the same size. The glands report describes this in words; its drawing (figure 13a) is lost, so the widths are those
    of its table 14. After Ronneberger et al. 2015 (arXiv 1505.04597).

    Args, attributes and errors are those of :class:`GlandChain`.
    """

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool = True) -> None:
        super().__init__(in_channels, out_channels, partial(conv_unit, batch_norm=batch_norm), True)


class ResidualStage(nn.Module):
    """A :func:`conv_unit` and a residual block of two 3x3 convolutions; (B,in,H,W) to (B,out,H,W).

    ReLU(x + F(x)), F = convolution, (batch normalisation), ReLU, convolution, (batch normalisation): He et al., "Deep
    Residual Learning for Image Recognition", 2016 (arXiv 1512.03385), equation 1 and figure 2.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        batch_norm: Whether batch normalisation follows each convolution.
        skip: Whether x is added; the number of parameters is the same either way.
    """

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        self.entry = conv_unit(in_channels, out_channels, batch_norm)
        last = conv_unit(out_channels, out_channels, batch_norm)[:-1]
        self.residual = nn.Sequential(conv_unit(out_channels, out_channels, batch_norm), last)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of the stage."""
        x = self.entry(x)
        return torch.relu(x + self.residual(x) if self.skip else self.residual(x))


class GlandResNet(_Waist):
    """The waist with a residual block in each stage: 786,926 parameters for 2 channels and 2 logits.

    The glands report says "additional convolution layers and skipped connections" and its drawing (figure 16a) is lost;
    here each of the waist's five 3x3 convolutions is followed by the two of a :class:`ResidualStage`.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        batch_norm: Whether batch normalisation follows each 3x3 convolution.
        skips: Whether the blocks add their input to their output.

    Attributes and errors are those of :class:`GlandChain`.
    """

    def __init__(self, in_channels: int, out_channels: int, batch_norm: bool = True, skips: bool = True) -> None:
        super().__init__(
            in_channels, out_channels, lambda before, after: ResidualStage(before, after, batch_norm, skips)
        )
