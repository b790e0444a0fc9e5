"""The residual-encoder U-Net of nnU-Net, planned for the images that it is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from segbench.models.blocks import SmallInstanceNorm, require_positive
from segbench.models.outputs import TrainingOutputs, checked_side_weights
from segbench.models.pretrained import load_pretrained
from segbench.models.resampling import upsample_bilinear
from segbench.models.unet_plan import Pair, UNetPlan, plan_unet

_SLOPE = 0.01


class ResEncUNet(nn.Module):
    """U-Net whose depth, filters, strides and kernels follow from size and spacing of the images.

    An encoder of residual blocks with strided convolutions, a light decoder of 2x2 transposed convolutions and one
    convolution a stage, instance normalisation and leaky ReLU: Isensee et al., "nnU-Net Revisited: A Call for Rigorous
    Validation in 3D Medical Image Segmentation", MICCAI 2024 (arXiv 2404.09556), in two dimensions. At width 32 for
    images of 256x256, one channel and two logits it has 105,913,858 parameters.
    :func:`segbench.models.unet_plan.plan_unet` has the rules. nnU-Net also plans patch and batch for a card's memory;
    here both are the data's, as for every network.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        size: Height and width of the images that the plan is made for; others can be predicted too. In a configuration
            None stands for those of the training images.
        spacing: Height and width of a pixel, in any unit; only their ratio counts.
        width: Filters of the first stage; each stage below doubles them, up to 512. 32 is the paper's.
        deep_supervision: In training, also return the logits of the inner decoder stages but the lowest.
        side_weights: What the loss of each inner stage weighs, the finest first, 1 being that of the network's output;
            None halves with every stage, as in the paper.
        pretrained: Encoder weights: a file or an address of such an encoder or of a whole network of this kind, or None
            for random initialisation.

    Attributes:
        plan: The plan.
        planned: The arguments that came from the data, for whoever builds the network again.
        stride: Height and width of the image must be multiples of this.
        encoder: The contracting path.
        head: The last 1x1 convolution.
        heads: Names of the submodules whose shape depends on the number of classes.

    Raises:
        ValueError: If an argument is out of range, or the plan has too few stages for deep supervision.
        CheckpointError: If the pretrained weights cannot be loaded or belong to another network.
    """

    heads = ("head", "side_heads")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: Sequence[int] | None,
        spacing: Sequence[float] = (1.0, 1.0),
        width: int = 32,
        deep_supervision: bool = False,
        side_weights: Sequence[float] | None = None,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels)
        if size is None:
            raise ValueError("size=null: the images' size is not known before they are read; set [height, width]")
        self.plan = plan = plan_unet(size, spacing, width)
        self.planned = {"size": list(size)}
        self.stride = plan.stride
        inner = len(plan.filters) - 3 if deep_supervision else 0
        if deep_supervision and inner < 1:
            raise ValueError(f"size={list(size)} gives {len(plan.filters)} stages, too few for deep_supervision=true")
        self.encoder = _Encoder(in_channels, plan)
        pairs = list(zip(plan.filters[1:], plan.filters, plan.strides[1:], plan.kernels, strict=False))[::-1]
        self.ups = nn.ModuleList(nn.ConvTranspose2d(below, here, stride, stride) for below, here, stride, _ in pairs)
        self.blocks = nn.ModuleList(_unit(2 * here, here, kernel) for _, here, _, kernel in pairs)
        self.head = nn.Conv2d(plan.filters[0], out_channels, kernel_size=1)
        self.side_heads = nn.ModuleList(
            nn.Conv2d(filters, out_channels, kernel_size=1) for filters in plan.filters[1 : inner + 1]
        )
        halves = [0.5**stage for stage in range(1, inner + 1)] or None
        self.side_weights = checked_side_weights(halves if side_weights is None else side_weights, inner)
        self.apply(_initialise)
        load_pretrained(self.encoder, pretrained)

    @classmethod
    def plan_for(cls, arguments: Mapping[str, Any], size: tuple[int, int] | None) -> dict[str, Any]:
        """Return the arguments that the training images decide: their size, unless it is given.

        Args:
            arguments: The configured ones.
            size: Height and width of what training sees; None if the images differ, or none is known yet.
        """
        return {"size": size if arguments.get("size") is None else arguments["size"]}

    def forward(self, image: Tensor) -> Tensor | TrainingOutputs:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by ``stride``.

        In training, with deep supervision, return :class:`TrainingOutputs`.
        """
        *skips, x = self.encoder(image)
        found = list[Tensor]()
        for up, block, skip in zip(self.ups, self.blocks, reversed(skips), strict=True):
            x = block(torch.cat((up(x), skip), dim=1))
            found.append(x)
        logits = self.head(x)
        if not (self.training and len(self.side_heads)):
            return logits
        whole = (image.shape[-2], image.shape[-1])
        finest_first = zip(self.side_heads, found[-2::-1], strict=False)
        sides = tuple(upsample_bilinear(head(stage), whole) for head, stage in finest_first)
        return TrainingOutputs(logits, sides, side_weights=self.side_weights)


class _Encoder(nn.Module):
    """A stem, then stages of residual blocks; (B,C,H,W) to the features of every stage, top first."""

    def __init__(self, in_channels: int, plan: UNetPlan) -> None:
        super().__init__()
        self.stem = _unit(in_channels, plan.filters[0], plan.kernels[0])
        self.stages, before = nn.ModuleList(), plan.filters[0]
        for filters, stride, kernel, count in zip(plan.filters, plan.strides, plan.kernels, plan.blocks, strict=True):
            first = _Residual(before, filters, kernel, stride)
            self.stages.append(nn.Sequential(first, *(_Residual(filters, filters, kernel) for _ in range(count - 1))))
            before = filters

    def forward(self, image: Tensor) -> list[Tensor]:
        x, features = self.stem(image), list[Tensor]()
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class _Residual(nn.Module):
    """Two convolutions beside a shortcut that pools and projects where the shape changes (He et al. 2019, ResNet-D)."""

    def __init__(self, before: int, after: int, kernel: Pair, stride: Pair = (1, 1)) -> None:
        super().__init__()
        self.first = _unit(before, after, kernel, stride)
        self.second = nn.Sequential(_convolution(after, after, kernel), SmallInstanceNorm(after))
        pooling = [nn.AvgPool2d(stride)] if max(stride) > 1 else []
        projection = [nn.Conv2d(before, after, 1, bias=False), SmallInstanceNorm(after)] if before != after else []
        self.shortcut = nn.Sequential(*pooling, *projection)
        self.activation = nn.LeakyReLU(_SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.second(self.first(x)) + self.shortcut(x))


def _convolution(before: int, after: int, kernel: Pair, stride: Pair = (1, 1)) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, stride, padding=(kernel[0] // 2, kernel[1] // 2))


def _unit(before: int, after: int, kernel: Pair, stride: Pair = (1, 1)) -> nn.Sequential:
    convolution = _convolution(before, after, kernel, stride)
    return nn.Sequential(convolution, SmallInstanceNorm(after), nn.LeakyReLU(_SLOPE, inplace=True))


def _initialise(layer: nn.Module) -> None:
    """He's initialisation for leaky ReLU, biases 0; every residual block begins as its shortcut."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    if isinstance(layer, _Residual):
        norm = layer.second[1]
        assert isinstance(norm, SmallInstanceNorm)
        nn.init.zeros_(norm.weight)
