"""ResNet-18 as a backbone whose last stages can be dilated."""

from __future__ import annotations

from torch import Tensor, nn

from segbench.models.blocks import require_positive

BLOCKS = 2
STAGES = 4


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut; He et al. 2016, figure 5 left.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        stride: Stride of the first convolution and of the shortcut.
        dilation: Dilation of both convolutions.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B,out,H/stride,W/stride) for (B,in,H,W)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet18(nn.Module):
    """ResNet-18 without its final pooling and classifier: 11,176,512 parameters at width 64 for 3 channels.

    After He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv 1512.03385), table 1. Once the
    output stride is reached, later stages keep the resolution and dilate their convolutions instead, as in Chen et al.
    2017 (arXiv 1706.05587), section 3.1. Parameters have torchvision's names and shapes at every output stride.

    Args:
        in_channels: Channels of the image.
        width: Filters of the first stage; each later stage doubles them. 64 is the paper's.
        output_stride: Image side divided by feature side: 32 (no dilation), 16 or 8.

    Attributes:
        out_channels: Channels of the features, ``8 * width``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, in_channels: int, width: int = 64, output_stride: int = 32) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, width=width)
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride}")
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        reached, dilation, channels = 4, 1, width
        for stage in range(STAGES):
            filters = width * 2**stage
            stride = 1 if stage == 0 or reached == output_stride else 2
            if stage > 0 and stride == 1:
                dilation *= 2
            reached *= stride
            blocks = [
                BasicBlock(channels if block == 0 else filters, filters, stride if block == 0 else 1, dilation)
                for block in range(BLOCKS)
            ]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            channels = filters
        self.out_channels = channels

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features of the four stages, finest first, for images (B,C,H,W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        features: list[Tensor] = []
        for stage in range(STAGES):
            x = self.get_submodule(f"layer{stage + 1}")(x)
            features.append(x)
        return features
