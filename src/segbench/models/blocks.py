"""Building blocks of U-shaped networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from segbench.models.checkpointing import call


def require_positive(**numbers: int) -> None:
    """Refuse what cannot be a number of channels, filters or levels.

    Raises:
        ValueError: Naming the first number that is not a positive integer.
    """
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value}")


class ConvBlock(nn.Sequential):
    """(3x3 convolution, batch normalisation, ReLU) twice; (B,in,H,W) to (B,out,H,W).

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class UpConv(nn.Sequential):
    """Twofold nearest-neighbour upsampling, 3x3 convolution, batch normalisation, ReLU; (B,in,H,W) to (B,out,2H,2W).

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Encoder(nn.Module):
    """Contracting path: a block a level, 2x2 max pooling between levels.

    Args:
        in_channels: Channels of the image.
        filters: Channels of each level, top first.
        block: Makes a level's block from its channels in and out; a :class:`ConvBlock` if left out.
        checkpointing: See :func:`segbench.models.checkpointing.call`.
    """

    def __init__(
        self,
        in_channels: int,
        filters: Sequence[int],
        block: Callable[[int, int], nn.Module] = ConvBlock,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.levels = nn.ModuleList(
            block(before, here) for before, here in zip((in_channels, *filters[:-1]), filters, strict=True)
        )
        self.pool = nn.MaxPool2d(kernel_size=2)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features of every level, top first; the i-th is (B,filters[i],H/2^i,W/2^i)."""
        features: list[Tensor] = []
        for level in self.levels:
            x = self.pool(features[-1]) if features else image
            features.append(call(level, x, self.checkpointing))
        return features


class AttentionGate(nn.Module):
    """Additive attention gate on a skip connection.

    alpha = sigmoid(BN(psi ReLU(BN(W_x x) + BN(W_g g)))), result x * alpha: Oktay et al. 2018 (arXiv 1804.03999),
    equations 1 and 2, with batch normalisation after each 1x1 convolution.

    Args:
        skip_channels: Channels of the skip connection x.
        gating_channels: Channels of the gating signal g.
        inner_channels: Channels in which both are added (F_int).
    """

    def __init__(self, skip_channels: int, gating_channels: int, inner_channels: int) -> None:
        super().__init__()

        def project(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(before, after, kernel_size=1), nn.BatchNorm2d(after))

        self.gating = project(gating_channels, inner_channels)
        self.skip = project(skip_channels, inner_channels)
        self.psi = project(inner_channels, 1)

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """Return the weighted skip (B,skip,H,W) for a gating signal (B,gating,H,W) of the same size."""
        inner = torch.relu(self.gating(gating) + self.skip(skip))
        return skip * torch.sigmoid(self.psi(inner))
