"""SegNet, and SegNet with atrous spatial pyramid pooling."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from segbench.models.blocks import conv_unit, require_dropout, require_positive
from segbench.models.deeplab import ASPP
from segbench.models.initialisation import initialise
from segbench.models.resampling import max_unpool
from segbench.models.vgg import STAGES, VGG16


class SegNetDecoder(nn.Module):
    """VGG16's 13 convolutions in reverse order, with five max unpoolings.

    Each stage unpools its input to the positions of the encoder's maxima, with 0 elsewhere, and applies as many (3x3
    convolution, batch normalisation, ReLU) as the encoder stage has; the last of them reduces to the filters of the
    stage above: Badrinarayanan et al. 2017 (arXiv 1511.00561), section 3 and figure 3.

    Args:
        channels: Channels of the encoder's stages, top first; the output has those of the first.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        stages = [
            [here] * count + [above]
            for (count, _), here, above in zip(STAGES, channels, (channels[0], *channels[:-1]), strict=True)
        ]
        self.stages = nn.ModuleList(
            nn.Sequential(*(conv_unit(before, after) for before, after in pairwise(stage)))
            for stage in reversed(stages)
        )

    def forward(self, x: Tensor, positions: list[Tensor]) -> Tensor:
        """Return (B,channels[0],H,W) for the lowest features (B,C,H/32,W/32) and the five poolings' indices."""
        for stage, where in zip(self.stages, reversed(positions), strict=True):
            x = stage(max_unpool(x, where))
        return x


class SegNet(nn.Module):
    """SegNet: 29,480,129 parameters at width 64 for 3 channels and 1 logit.

    VGG16's convolutions with batch normalisation, a decoder that mirrors them and upsamples with the pooling indices, a
    1x1 head. After Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
    Image Segmentation", TPAMI 2017 (arXiv 1511.00561): the head follows all 13 decoder layers, as in the paper's text.
    He initialisation with zero biases, except for pretrained weights; :class:`segbench.models.vgg.VGG16` says how
    those of a VGG16 without batch normalisation are loaded.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first stage. 64 is the paper's, and required by published weights.
        pretrained: Encoder weights: ``imagenet`` (VGG16's, downloaded from their official URL), a file with the layout
            of torchvision's ``vgg16`` or ``vgg16_bn``, or None for random initialisation.

    Attributes:
        stride: Height and width of the image must be multiples of this.
        encoder: VGG16 with batch normalisation.
        head: The last 1x1 convolution.

    Raises:
        ValueError: If a number is not a positive integer.
        CheckpointError: If the pretrained weights cannot be loaded or belong to another network.
    """

    stride = 32

    def __init__(self, in_channels: int, out_channels: int, width: int = 64, pretrained: str | None = None) -> None:
        super().__init__()
        require_positive(out_channels=out_channels)
        self.encoder = VGG16(in_channels, width, batch_norm=True, pretrained=pretrained)
        self.decoder = SegNetDecoder(self.encoder.channels)
        self.head = nn.Conv2d(width, out_channels, kernel_size=1)
        initialise(self.decoder, "he")
        initialise(self.head, "he")

    def features(self, image: Tensor) -> Tensor:
        """Return the decoder's features (B,width,H,W)."""
        pooled, positions = self.encoder(image)
        return self.decoder(pooled[-1], positions)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by 32."""
        return self.head(self.features(image))


class SegNetASPP(SegNet):
    """SegNet with atrous spatial pyramid pooling between its decoder and its head.

    30,286,209 parameters at width 64 for 3 channels and 1 logit. The cityscapes report's second network: SegNet without
    its head, :class:`segbench.models.deeplab.ASPP` (1x1, 3x3 with dilation and padding 6, 12 and 18, image pooling;
    concatenation, convolution, batch normalisation, ReLU) at full resolution, dropout, a 1x1 head. For a batch of one
    image, which has no variance, batch normalisation after the image pooling uses its running statistics. The report
    does not give the branches' channels or the dropout probability; 256 and 0.5 are DeepLabV3's.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        width: Filters of the first stage. 64 is the paper's, and required by published weights.
        aspp_channels: Channels of each ASPP branch.
        dropout: Dropout probability before the head, in [0, 1).
        pretrained: As for :class:`SegNet`.

    Attributes and errors are those of :class:`SegNet`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        aspp_channels: int = 256,
        dropout: float = 0.5,
        pretrained: str | None = None,
    ) -> None:
        require_positive(aspp_channels=aspp_channels)
        require_dropout(dropout)
        super().__init__(in_channels, out_channels, width, pretrained)
        self.aspp = ASPP(width, aspp_channels)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Conv2d(aspp_channels, out_channels, kernel_size=1)
        initialise(self.aspp, "he")
        initialise(self.head, "he")

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by 32."""
        return self.head(self.dropout(self.aspp(self.features(image))))
