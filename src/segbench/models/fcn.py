"""Fully convolutional networks on VGG16: FCN-32s, FCN-16s and FCN-8s."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segbench.models.blocks import require_positive
from segbench.models.initialisation import initialise
from segbench.models.vgg import VGG16


def bilinear_upsampling(channels: int, factor: int, groups: int = 1) -> nn.ConvTranspose2d:
    """Return a transposed convolution initialised to bilinear interpolation of each channel.

    Its kernel of 2 * factor is the tent 1 - |x| / factor at pixel centres: Long et al. 2015, section 3.3. It pads with
    zeros, so within factor / 2 of the border all channels are scaled down by the same factor.

    Args:
        channels: Channels in and out.
        factor: Upsampling factor of height and width; even.
        groups: 1, or ``channels`` so that training cannot mix channels.
    """
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, factor // 2, groups=groups, bias=False)
    tent = 1 - (torch.arange(2 * factor) + 0.5 - factor).abs() / factor
    own = torch.arange(channels)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[own, own if groups == 1 else 0] = torch.outer(tent, tent)
    return layer


class FCN(nn.Module):
    """Fully convolutional network; FCN-32s, 16s and 8s at ``output_stride`` 32, 16 and 8.

    Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015 (arXiv 1411.4038):
    VGG16 (no batch normalisation) with its fully connected layers as convolutions, a 1x1 convolution that scores each
    class, upsampling. 16s and 8s upsample twofold and add scores from the fourth (16s) and third (8s) pooling. The
    twofold upsamplings are learned, starting from bilinear; the last is bilinear and fixed (section 4.3). All padding
    is "same", where the paper pads the image by 100 pixels and crops. He initialisation with zero biases, except for
    pretrained weights and upsampling. 134,264,641 trainable parameters (32s) at width 64 for 3 channels and 1 logit.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first stage. 64 is the paper's, and required by published weights.
        output_stride: 32, 16 or 8.
        fully_connected: Channels of the two layers that were fully connected. 4096 is the paper's, and the only number
            that published weights fill; with another these layers start at random.
        dropout: Dropout probability after each of them, in [0, 1).
        pretrained: Encoder weights: ``imagenet`` (VGG16's, downloaded from their official URL), a file with the layout
            of torchvision's ``vgg16``, or None for random initialisation.

    Attributes:
        stride: Height and width of the image must be multiples of this.
        encoder: VGG16 with its fully connected layers.
        head: The 1x1 convolution after them.
        heads: Names of the submodules whose shape depends on the number of classes.

    Raises:
        ValueError: If an argument is out of range.
        CheckpointError: If the pretrained weights cannot be loaded or belong to another network.
    """

    stride = 32
    heads = ("head", "skip_heads", "ups", "last")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        output_stride: int = 8,
        fully_connected: int = 4096,
        dropout: float = 0.5,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        require_positive(out_channels=out_channels, fully_connected=fully_connected)
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride}")
        skips = {32: 0, 16: 1, 8: 2}[output_stride]
        self.encoder = VGG16(
            in_channels, width, fully_connected=fully_connected, dropout=dropout, pretrained=pretrained
        )
        self.head = nn.Conv2d(fully_connected, out_channels, kernel_size=1)
        self.skip_heads = nn.ModuleList(
            nn.Conv2d(self.encoder.channels[stage], out_channels, kernel_size=1) for stage in (3, 2)[:skips]
        )
        initialise(self.head, "he")
        initialise(self.skip_heads, "he")
        self.ups = nn.ModuleList(bilinear_upsampling(out_channels, 2) for _ in range(skips))
        self.last = bilinear_upsampling(out_channels, output_stride, groups=out_channels).requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by 32."""
        pooled, _ = self.encoder(image)
        scores = self.head(self.encoder.classifier(pooled[4]))
        for up, head, features in zip(self.ups, self.skip_heads, (pooled[3], pooled[2])[: len(self.ups)], strict=True):
            scores = up(scores) + head(features)
        return self.last(scores)
