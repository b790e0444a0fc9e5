"""Building blocks of U-shaped networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from segbench.models.checkpointing import run_block
from segbench.models.upconvolution import convolve_upsampled

# Of a network that halves its images level by level.
MOST_LEVELS = 16


def require_positive(**numbers: int) -> None:
    """Check counts (channels, filters, levels) given by name.

    Raises:
        ValueError: If one is not a positive integer; the message names the first such argument.
    """
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value}")


def doubled(width: int, depth: int) -> list[int]:
    """Return the filters of each level, each twice those of the level above.

    Raises:
        ValueError: If there are more than 16 levels: an image's sides would have to be multiples of 65,536.
    """
    if depth > MOST_LEVELS:
        raise ValueError(f"depth must be at most {MOST_LEVELS}, got {depth}")
    return [width * 2**level for level in range(depth)]


def require_dropout(dropout: float) -> None:
    """Check a dropout probability.

    Raises:
        ValueError: If it is outside [0, 1).
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")


def conv_unit(in_channels: int, out_channels: int, batch_norm: bool = True) -> nn.Sequential:
    """Return a 3x3 convolution, optional batch normalisation and a ReLU; (B,in,H,W) to (B,out,H,W).

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        batch_norm: Whether batch normalisation precedes the ReLU.
    """
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
    norm = [nn.BatchNorm2d(out_channels)] if batch_norm else []
    return nn.Sequential(convolution, *norm, nn.ReLU(inplace=True))


class SmallInstanceNorm(nn.InstanceNorm2d):
    """Instance normalisation with factor and bias that also takes maps of one pixel, of which the bias remains.

    torch refuses those in Python; its kernels compute them.

    Args:
        channels: Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B,C,H,W), normalised over each image and channel."""
        return torch.instance_norm(
            x, self.weight, self.bias, None, None, True, self.momentum or 0.0, self.eps, torch.backends.cudnn.enabled
        )


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

    The first two are computed together (:mod:`segbench.models.upconvolution`).

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

    def forward(self, x: Tensor) -> Tensor:
        """Return (B,out,2H,2W) for (B,in,H,W)."""
        _, convolution, norm, activation = self
        assert isinstance(convolution, nn.Conv2d)
        return activation(norm(convolve_upsampled(x, convolution)))


class Encoder(nn.Module):
    """Contracting path: one block per level, 2x2 max pooling between levels.

    Args:
        in_channels: Channels of the image.
        filters: Channels of each level, top first.
        block: Builds a level's block from its input and output channels; a :class:`ConvBlock` by default.
        checkpointing: See :func:`segbench.models.checkpointing.run_block`.
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
            features.append(run_block(level, x, self.checkpointing))
        return features


class AttentionGate(nn.Module):
    """Additive attention gate on a skip connection.

    alpha = sigmoid(BN(psi ReLU(BN(W_x x) + BN(W_g g)))), output x * alpha: Oktay et al. 2018 (arXiv 1804.03999),
    equations 1 and 2, with batch normalisation after each 1x1 convolution.

    Args:
        skip_channels: Channels of the skip connection x.
        gating_channels: Channels of the gating signal g.
        inner_channels: Channels that both are projected to before they are added (F_int).
    """

    def __init__(self, skip_channels: int, gating_channels: int, inner_channels: int) -> None:
        super().__init__()

        def project(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(before, after, kernel_size=1), nn.BatchNorm2d(after))

        self.gating = project(gating_channels, inner_channels)
        self.skip = project(skip_channels, inner_channels)
        self.psi = project(inner_channels, 1)

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """Return the gated skip (B,skip,H,W) for a gating signal (B,gating,H,W) of the same height and width."""
        # In place: nothing else needs what the normalisations return.
        inner = self.gating(gating).add_(self.skip(skip)).relu_()
        return skip * self.psi(inner).sigmoid_()
