"""UNet++: nested, dense skip connections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.models.blocks import ConvBlock, doubled, require_positive
from segbench.models.outputs import TrainingOutputs, checked_side_weights


class UNetPlusPlus(nn.Module):
    """UNet++: 9,049,473 parameters at width 32 for 3 channels and 1 logit (published: 9.04 M without batch norm).

    Node (i, j) of level i joins all earlier nodes of its level with the upsampled node (i+1, j-1): Zhou et al.,
    "UNet++: Redesigning Skip Connections to Exploit Multiscale Features in Image Segmentation", IEEE TMI 2020 (arXiv
    1912.05074), equation 1; double 3x3 convolutions with batch normalisation, 2x2 transposed convolutions.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first level; each level below doubles them. 32 is the paper's.
        depth: Number of levels, including the lowest. 5 is the paper's.
        deep_supervision: In training, also return the logits of the first level's inner nodes; in evaluation, return
            the mean over all of them (the paper's accurate mode).
        side_weights: What the loss of each inner node weighs, that of the shallowest first, 1 being that of the last;
            None for 1 each, as in the paper.

    Attributes:
        stride: Height and width of the image must be multiples of this.
        head: The last 1x1 convolution.
        heads: Names of the submodules whose shape depends on the number of classes.

    Raises:
        ValueError: If a number is not a positive integer, the depth is below 2 (3 for deep supervision), or a weight of
            a side output is none.
    """

    heads = ("head", "side_heads")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 32,
        depth: int = 5,
        deep_supervision: bool = False,
        side_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, width=width, depth=depth)
        least = 3 if deep_supervision else 2
        if depth < least:
            raise ValueError(f"depth must be at least {least}{' for deep supervision' * deep_supervision}, got {depth}")
        self.depth = depth
        self.stride = 2 ** (depth - 1)
        filters = doubled(width, depth)
        self.pool = nn.MaxPool2d(kernel_size=2)
        self.blocks = nn.ModuleDict()
        self.ups = nn.ModuleDict()
        for level in range(depth):
            self.blocks[f"{level}_0"] = ConvBlock(filters[level - 1] if level else in_channels, filters[level])
            for column in range(1, depth - level):
                self.ups[f"{level}_{column}"] = nn.ConvTranspose2d(
                    filters[level + 1], filters[level], kernel_size=2, stride=2
                )
                self.blocks[f"{level}_{column}"] = ConvBlock((column + 1) * filters[level], filters[level])
        self.head = nn.Conv2d(width, out_channels, kernel_size=1)
        self.side_heads = nn.ModuleList(
            nn.Conv2d(width, out_channels, kernel_size=1) for _ in range(depth - 2 if deep_supervision else 0)
        )
        self.side_weights = checked_side_weights(side_weights, len(self.side_heads))

    def forward(self, image: Tensor) -> Tensor | TrainingOutputs:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by ``stride``.

        In training, with deep supervision, return :class:`TrainingOutputs`.
        """
        rows: list[list[Tensor]] = []
        for level in range(self.depth):
            rows.append([self.blocks[f"{level}_0"](self.pool(rows[-1][0]) if rows else image)])
        for column in range(1, self.depth):
            for level in range(self.depth - column):
                below = self.ups[f"{level}_{column}"](rows[level + 1][column - 1])
                rows[level].append(self.blocks[f"{level}_{column}"](torch.cat((*rows[level], below), dim=1)))
        logits = self.head(rows[0][-1])
        if not self.side_heads:
            return logits
        sides = tuple(head(node) for head, node in zip(self.side_heads, rows[0][1:-1], strict=True))
        if self.training:
            return TrainingOutputs(logits, sides, side_weights=self.side_weights)
        return torch.stack((logits, *sides)).mean(dim=0)
