"""The compressed U-Net of the cells comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segbench.models.blocks import ConvBlock, Encoder, conv_unit, require_positive
from segbench.models.initialisation import initialise


class UNetCompressed(nn.Module):
    """Three-level U-Net whose last two 3x3 convolutions are linear: 467,915 parameters for 1 channel and 3 classes.

    Contracting path of 32, 64 and 128 filters, (3x3 convolution, batch normalisation, ReLU) twice per level, 2x2 max
    pooling between levels. Each step up is twofold nearest-neighbour upsampling, a 2x2 convolution, batch
    normalisation and ReLU, concatenated after the skip connection. The lower level of the expanding path is the same
    double block; the full-size level is one 3x3 convolution with batch normalisation and ReLU, then a 3x3 convolution
    to 32 and one to 2 filters without normalisation or activation, and the 1x1 head. Source: the architecture section
    of the cells report, after Ronneberger et al. 2015 (arXiv 1505.04597).

    The report does not say how it upsamples or where its 2x2 convolutions are padded. Here upsampling is nearest
    neighbour, and zeros are added on the right and at the bottom, as ``same`` padding does in Keras and PyTorch.

    He initialisation (arXiv 1502.01852) with zero biases.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first level; each level below doubles them.
        linear_tail: Whether the last two 3x3 convolutions are linear. If not, a ReLU follows each: the report's first
            version, which ended up predicting background everywhere.

    Attributes:
        stride: Height and width of the image must be multiples of this.
        encoder: The contracting path with the lowest level.
        tail: The last two 3x3 convolutions.
        head: The last 1x1 convolution.

    Raises:
        ValueError: If a number is not a positive integer.
    """

    stride = 4

    def __init__(self, in_channels: int, out_channels: int, width: int = 32, linear_tail: bool = True) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, width=width)
        self.encoder = Encoder(in_channels, (width, 2 * width, 4 * width))
        self.ups = nn.ModuleList((_UpConv2x2(4 * width, 2 * width), _UpConv2x2(2 * width, width)))
        self.blocks = nn.ModuleList((ConvBlock(4 * width, 2 * width), conv_unit(2 * width, width)))
        tail: list[nn.Module] = []
        for before, after in ((width, width), (width, 2)):
            tail.append(nn.Conv2d(before, after, kernel_size=3, padding=1))
            if not linear_tail:
                tail.append(nn.ReLU(inplace=True))
        self.tail = nn.Sequential(*tail)
        self.head = nn.Conv2d(2, out_channels, kernel_size=1)
        initialise(self, "he")

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by 4."""
        *skips, x = self.encoder(image)
        for up, block in zip(self.ups, self.blocks, strict=True):
            x = block(torch.cat((skips.pop(), up(x)), dim=1))
        return self.head(self.tail(x))


class _UpConv2x2(nn.Sequential):
    """Twofold nearest-neighbour upsampling, 2x2 convolution, batch normalisation, ReLU; (B,in,H,W) to (B,out,2H,2W).

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2, mode="nearest"),
            # "same" padding of an even kernel is asymmetric; torch's padding="same" does this too, and warns.
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.Conv2d(in_channels, out_channels, kernel_size=2),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )
