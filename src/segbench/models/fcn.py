"""Fully convolutional networks on VGG16: FCN-32s, FCN-16s and FCN-8s."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segbench.models.blocks import require_positive
from segbench.models.initialisation import initialise
from segbench.models.vgg import VGG16


def bilinear_upsampling(channels: int, factor: int, groups: int = 1) -> nn.ConvTranspose2d:
    """Return a transposed convolution that starts as bilinear interpolation of each channel by itself.

    Its kernel of 2 * factor is the tent 1 - |x| / factor at pixel centres: Long et al. 2015, section 3.3. Outside the
    image it sees zeros, so that within factor / 2 of the border all channels are scaled down by the same number.

    Args:
        channels: Channels in and out.
        factor: By how much height and width grow; even.
        groups: 1, or ``channels`` for weights that cannot mix channels.
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
    VGG16 (no batch normalisation) whose fully connected layers are convolutions, a 1x1 score of each class, upsampled.
    The finer ones upsample twofold and add scores of the fourth (16s) and the third (8s) pooling. The twofold
    upsamplings are learned, from bilinear ones; the last is bilinear and fixed (section 4.3). All padding is "same", in
    place of the paper's 100 pixels around the image and its cropping. He initialisation with bias 0 but for pretrained
    weights and upsampling. For 3 channels and 1 logit at width 64, 134,264,641 weights that learn (32s).

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first stage. 64 is the paper's, and what published weights need.
        output_stride: 32, 16 or 8.
        fully_connected: Nodes of the two layers that were fully connected. 4096 is the paper's; published weights
            fill them then, and leave them random with another number.
        dropout: Probability with which their results are set to 0, in [0, 1).
        pretrained: Weights of the encoder: ``imagenet`` (VGG16's, from their official address), a file with the
            layout of torchvision's ``vgg16``, or None for random ones.

    Attributes:
        stride: What height and width of the image must be divisible by.
        encoder: VGG16 with its fully connected layers.
        head: The 1x1 convolution behind them.
        heads: Names of the parts whose sizes follow the classes.

    Raises:
        ValueError: If a number is outside its range.
        CheckpointError: If the pretrained weights cannot be had, or are those of another network.
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
