"""DeepLabV3: a dilated ResNet-18 and atrous spatial pyramid pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.models.blocks import require_positive
from segbench.models.pretrained import load_pretrained
from segbench.models.resampling import upsample_bilinear
from segbench.models.resnet import ResNet18

RESNET18_URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
# Dilation rates at output stride 16; at stride 8 they double (arXiv 1706.05587, section 3.3).
RATES = (6, 12, 18)


class SingleValueBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that uses the running statistics where training gives it one value per channel.

    Image pooling leaves one value per channel and image, so a batch of one image has no variance to divide by.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (B,C,H,W), normalised."""
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(x)


def _unit(in_channels: int, out_channels: int, kernel_size: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=dilation if kernel_size == 3 else 0,
            dilation=dilation,
            bias=False,
        ),
        SingleValueBatchNorm(out_channels),
        nn.ReLU(inplace=True),
    )


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: Chen et al. 2017 (arXiv 1706.05587), figure 5.

    Parallel branches: a 1x1 convolution, a dilated 3x3 convolution per rate, and the image mean through a 1x1
    convolution. Their outputs are concatenated and mixed by a 1x1 convolution. Batch normalisation and ReLU follow each
    convolution.

    Args:
        in_channels: Channels in.
        out_channels: Channels of each branch and of the output.
        rates: Dilation rates.
    """

    def __init__(self, in_channels: int, out_channels: int = 256, rates: tuple[int, ...] = RATES) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [_unit(in_channels, out_channels), *(_unit(in_channels, out_channels, 3, rate) for rate in rates)]
        )
        self.pooling = _unit(in_channels, out_channels)
        self.project = _unit((len(rates) + 2) * out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B,out,H,W) for (B,in,H,W); trains on a single image too."""
        pooled = self.pooling(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        return self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], dim=1))


class DeepLabV3(nn.Module):
    """DeepLabV3 with a ResNet-18 backbone: 15,303,108 parameters at width 64 for 1 channel and 4 classes.

    Backbone, ASPP, 1x1 head, bilinear upsampling to the image size. After Chen et al., "Rethinking Atrous Convolution
    for Semantic Image Segmentation", 2017 (arXiv 1706.05587).

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the backbone's first stage. 64 is the paper's, and required by published weights.
        output_stride: Image side divided by feature side: 16, or 8 for finer features at 3.3 times the FLOPs.
        aspp_channels: Channels of each ASPP branch. 256 is the paper's.
        pretrained: Backbone weights: ``imagenet`` (downloaded from their official URL), a file, an address, or None for
            random initialisation.

    Attributes:
        stride: Height and width of the image must be multiples of this.
        encoder: The backbone.
        head: The last 1x1 convolution.

    Raises:
        ValueError: If an argument is out of range.
        CheckpointError: If the pretrained weights cannot be loaded or belong to another network.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        output_stride: int = 16,
        aspp_channels: int = 256,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        require_positive(out_channels=out_channels, aspp_channels=aspp_channels)
        if output_stride not in (8, 16):
            raise ValueError(f"output_stride must be 8 or 16, got {output_stride}")
        self.stride = output_stride
        self.encoder = ResNet18(in_channels, width, output_stride)
        load_pretrained(self.encoder, pretrained, {"imagenet": RESNET18_URL}, drop=("fc.weight", "fc.bias"))
        rates = RATES if output_stride == 16 else tuple(2 * rate for rate in RATES)
        self.aspp = ASPP(self.encoder.out_channels, aspp_channels, rates)
        self.head = nn.Conv2d(aspp_channels, out_channels, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W)."""
        logits = self.head(self.aspp(self.encoder(image)[-1]))
        return upsample_bilinear(logits, (image.shape[-2], image.shape[-1]))
