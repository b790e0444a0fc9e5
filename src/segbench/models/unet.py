"""U-Net and Attention U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segbench.models.blocks import AttentionGate, ConvBlock, Encoder, UpConv, doubled, require_positive
from segbench.models.checkpointing import run_block


class UNet(nn.Module):
    """U-Net with batch normalisation and padded convolutions.

    Contracting path of double 3x3 convolutions and 2x2 max pooling, expanding path of up-convolutions whose
    output is concatenated after the skip connection, 1x1 head. After Ronneberger et al., "U-Net: Convolutional
    Networks for Biomedical Image Segmentation", MICCAI 2015 (arXiv 1505.04597), with "same" padding, batch
    normalisation, and nearest-neighbour upsampling followed by a 3x3 convolution.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first level; each level below doubles them. 64 is the paper's.
        depth: Number of levels, including the lowest. 5 is the paper's.
        checkpointing: Recompute each block's activations in the backward pass instead of storing them: the same
            training with less memory and more time.

    Attributes:
        stride: Height and width of the image must be multiples of this.
        encoder: The contracting path with the lowest level.
        head: The last 1x1 convolution.

    Raises:
        ValueError: If a number is not a positive integer.
    """

    def __init__(
        self, in_channels: int, out_channels: int, width: int = 64, depth: int = 5, checkpointing: bool = False
    ) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, width=width, depth=depth)
        self.stride = 2 ** (depth - 1)
        self.checkpointing = checkpointing
        filters = doubled(width, depth)
        self.encoder = Encoder(in_channels, filters, self.make_block, checkpointing)
        pairs = list(zip(filters[:0:-1], filters[-2::-1], strict=True))
        self.ups = nn.ModuleList(UpConv(below, here) for below, here in pairs)
        self.gates = self.make_gates([here for _, here in pairs])
        self.blocks = nn.ModuleList(self.make_block(2 * here, here) for _, here in pairs)
        self.head = nn.Conv2d(width, out_channels, kernel_size=1)

    def make_block(self, in_channels: int, out_channels: int) -> nn.Module:
        """Return one level's block, (B,in,H,W) to (B,out,H,W)."""
        return ConvBlock(in_channels, out_channels)

    def make_gates(self, filters: list[int]) -> nn.ModuleList:
        """Return the gates that skip connections pass through with the decoder's signal, deepest first: none here."""
        return nn.ModuleList()

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by ``stride``."""
        *skips, x = self.encoder(image)
        for level, (up, block) in enumerate(zip(self.ups, self.blocks, strict=True)):
            x = run_block(up, x, self.checkpointing)
            skip = skips[-1 - level]
            if self.gates:
                skip = self.gates[level](skip, x)
            x = run_block(block, torch.cat((skip, x), dim=1), self.checkpointing)
        return self.head(x)


class AttentionUNet(UNet):
    """U-Net with additive attention gates on its skip connections.

    After Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", 2018 (arXiv 1804.03999). The
    gating signal is the upsampled decoder feature at the skip's own resolution, as in the code that most
    comparisons use, and the gate's inner channels are half the skip's.

    Args, attributes and errors are those of :class:`UNet`.
    """

    def make_gates(self, filters: list[int]) -> nn.ModuleList:
        """Return one attention gate for each skip connection, deepest first."""
        return nn.ModuleList(AttentionGate(count, count, max(count // 2, 1)) for count in filters)
