"""UNet 3+: full-scale skip connections, deep supervision, classification-guided module."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.models.blocks import Encoder, conv_unit, require_positive
from segbench.models.outputs import TrainingOutputs, checked_side_weights
from segbench.models.resampling import GlobalMaxPool, upsample_bilinear

# Subtracted from the logit of a class called absent: multiplies its odds by 2e-9.
_ABSENT = 20.0


class FullScaleNode(nn.Module):
    """A decoder stage that sees every scale: Huang et al. 2020, equation 1 and figure 2.

    Encoder features of this scale and of finer ones (max-pooled) and decoder features of coarser scales (bilinearly
    upsampled) each pass a 3x3 convolution to ``width`` channels, are concatenated, and pass another 3x3 convolution.

    Args:
        channels: Channels of each source, finest scale first.
        level: This stage's scale; 0 is the finest.
        width: Channels of each source after its convolution.
    """

    def __init__(self, channels: list[int], level: int, width: int) -> None:
        super().__init__()
        self.level = level
        self.sources = nn.ModuleList(conv_unit(count, width) for count in channels)
        self.mix = conv_unit(len(channels) * width, len(channels) * width)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return (B,5*width,H/2^level,W/2^level) for one feature map per scale, finest first."""
        moved = []
        for scale, (unit, feature) in enumerate(zip(self.sources, features, strict=True)):
            if scale < self.level:
                feature = functional.max_pool2d(feature, kernel_size=2 ** (self.level - scale))
            elif scale > self.level:
                feature = _upsample(feature, 2 ** (scale - self.level))
            moved.append(unit(feature))
        return self.mix(torch.cat(moved, dim=1))


class UNet3Plus(nn.Module):
    """UNet 3+: 26,971,777 parameters at width 64 for 3 channels and 1 logit, with its options off.

    After Huang et al., "UNet 3+: A Full-Scale Connected UNet for Medical Image Segmentation", ICASSP 2020 (arXiv
    2004.08790), section 2: encoder of five levels, full-scale skip connections with ``width`` channels per source.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first level; each level below doubles them. 64 is the paper's.
        deep_supervision: In training, also return the logits of all other decoder stages and of the bottom.
        side_weights: What the loss of each of these weighs, finest first, 1 being that of the last stage; None for 1
            each, as in the paper.
        classification: Add the classification-guided module. From the bottom features it predicts which foreground
            classes are in the image at all (dropout, 1x1 convolution, maximum over the image); in evaluation, 20 is
            subtracted from the logits of a class that it calls absent (odds times 2e-9). The paper gates for one organ,
            here each class is gated. The paper also gates in training, where a hard gate that is wrong leaves the
            segmentation without a gradient.

    Attributes:
        stride: Height and width of the image must be multiples of this.
        encoder: The contracting path with the lowest level.
        head: The last 3x3 convolution.
        heads: Names of the submodules whose shape depends on the number of classes.

    Raises:
        ValueError: If a number is not a positive integer, or a weight of a side output is none.
    """

    stride = 16
    heads = ("head", "side_heads", "presence")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        deep_supervision: bool = False,
        classification: bool = False,
        side_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, width=width)
        filters = [width * 2**level for level in range(5)]
        mixed = len(filters) * width
        self.encoder = Encoder(in_channels, filters)
        # A stage takes the encoder's features down to its own scale, the decoder's below it, and the shared bottom.
        self.nodes = nn.ModuleList(
            FullScaleNode([*filters[: level + 1], *[mixed] * (3 - level), filters[-1]], level, width)
            for level in range(4)
        )
        self.head = nn.Conv2d(mixed, out_channels, kernel_size=3, padding=1)
        self.side_heads = nn.ModuleList(
            nn.Conv2d(count, out_channels, kernel_size=3, padding=1)
            for count in ([mixed, mixed, mixed, filters[-1]] if deep_supervision else [])
        )
        self.side_weights = checked_side_weights(side_weights, len(self.side_heads))
        self.presence = nn.Sequential(
            nn.Dropout(0.5),
            nn.Conv2d(filters[-1], max(out_channels - 1, 1), kernel_size=1),
            GlobalMaxPool(),
            nn.Flatten(),
        ) if classification else None  # fmt: skip

    def forward(self, image: Tensor) -> Tensor | TrainingOutputs:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by 16.

        In training, with an option on, return :class:`TrainingOutputs`.
        """
        features: list[Tensor] = self.encoder(image)
        stages = list(features)
        for level in (3, 2, 1, 0):
            stages[level] = self.nodes[level]([*features[: level + 1], *stages[level + 1 :]])
        logits = self.head(stages[0])
        presence = None if self.presence is None else self.presence(features[-1])
        if self.training and (self.side_heads or presence is not None):
            sides = zip(self.side_heads, stages[1:], strict=True) if self.side_heads else ()
            return TrainingOutputs(
                logits,
                tuple(_upsample(head(stage), 2 ** (scale + 1)) for scale, (head, stage) in enumerate(sides)),
                presence,
                self.side_weights,
            )
        return logits if presence is None else _gate(logits, presence)


def _upsample(x: Tensor, factor: int) -> Tensor:
    return upsample_bilinear(x, (factor * x.shape[-2], factor * x.shape[-1]))


def _gate(logits: Tensor, presence: Tensor) -> Tensor:
    absent = (presence <= 0).to(logits.dtype)[:, :, None, None] * _ABSENT
    if logits.shape[1] == 1:
        return logits - absent
    return torch.cat((logits[:, :1], logits[:, 1:] - absent), dim=1)
