"""VGG16 as a backbone: its 13 convolutions, with or without batch normalisation and its fully connected layers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from segbench.models.blocks import require_positive
from segbench.models.initialisation import initialise
from segbench.models.pretrained import load_pretrained

VGG16_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
# Convolutions and filters (in widths) of the five stages: Simonyan and Zisserman 2015, table 1, configuration D.
STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
_PUBLISHED_NODES = 4096


class VGG16(nn.Module):
    """VGG16 without its classifier's last layer: 14,714,688 weights at width 64 for 3 channels, without more options.

    After Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015 (arXiv
    1409.1556), table 1, configuration D. Layers have torchvision's names, those of ``vgg16_bn`` with batch
    normalisation. Convolutions start from He et al.'s normal distribution with bias 0, or from published weights.

    The published ``vgg16`` has no batch normalisation. With ``batch_norm`` its convolutions' weights and biases go to
    the same convolutions, in order, and batch normalisation stays as it starts: factor 1, bias 0, mean 0, variance 1.
    In evaluation that is the published network; training then normalises its features. A file with the layout of
    ``vgg16_bn`` brings its batch normalisation along.

    Args:
        in_channels: Channels of the image.
        width: Filters of the first stage. 64 is the paper's, and what published weights need.
        batch_norm: Whether each convolution is followed by batch normalisation.
        fully_connected: Nodes of the two fully connected layers, made convolutions (7x7 and 1x1); 0 leaves them out.
            Published weights fill 4096; with other numbers they start at random.
        dropout: Probability with which their results are set to 0, in [0, 1).
        pretrained: ``imagenet`` (from the official address), a file, or None.

    Attributes:
        channels: Channels of the five stages.

    Raises:
        ValueError: If a number is outside its range.
        CheckpointError: If the pretrained weights cannot be had, or are those of another network.
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 64,
        batch_norm: bool = False,
        fully_connected: int = 0,
        dropout: float = 0.5,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, width=width)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        self.channels = tuple(filters * width for _, filters in STAGES)
        layers, before = list[nn.Module](), in_channels
        for (count, _), filters in zip(STAGES, self.channels, strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(before, filters, kernel_size=3, padding=1))
                layers += [nn.BatchNorm2d(filters)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                before = filters
            layers.append(nn.MaxPool2d(kernel_size=2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential()
        if fully_connected:
            self.classifier = nn.Sequential(
                nn.Conv2d(before, fully_connected, kernel_size=7, padding=3),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Conv2d(fully_connected, fully_connected, kernel_size=1),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
            )
        initialise(self, "he")
        layers_unused = (6,) if fully_connected == _PUBLISHED_NODES else (0, 3, 6)
        unused = [f"classifier.{layer}.{part}" for layer in layers_unused for part in ("weight", "bias")]
        load_pretrained(self, pretrained, VGG16_URL, "features.0.weight", unused, self._places)

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return what the five poolings give, and where in their input each value was.

        The i-th features and positions are (B,channels[i],H/2^(i+1),W/2^(i+1)) for images (B,C,H,W); positions are
        int64, h * width + w, as :func:`torch.nn.functional.max_unpool2d` takes them.
        """
        x, features, positions = image, list[Tensor](), list[Tensor]()
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                x, where = functional.max_pool2d(x, 2, return_indices=True)
                features.append(x)
                positions.append(where)
            else:
                x = layer(x)
        return features, positions

    def _places(self, stored: Mapping[str, Tensor]) -> dict[str, str]:
        """Return for each weight of a file with a published layout which one of ours it fills."""
        published = len(self.classifier) > 0 and self.classifier[0].out_channels == _PUBLISHED_NODES
        own = {name: name for name in self.state_dict() if published or not name.startswith("classifier.")}
        ours = [index for index, layer in enumerate(self.features) if isinstance(layer, nn.Conv2d)]
        theirs = _plain_places()
        if ours == theirs or any(name.endswith("running_mean") for name in stored):
            return own
        convolutions = {
            f"features.{there}.{part}": f"features.{here}.{part}"
            for there, here in zip(theirs, ours, strict=True)
            for part in ("weight", "bias")
        }
        return convolutions | {name: name for name in own if name.startswith("classifier.")}


def _plain_places() -> list[int]:
    """Return where the convolutions stand among the published network's layers, which have no batch normalisation."""
    places, index = list[int](), 0
    for count, _ in STAGES:
        places += [index + 2 * step for step in range(count)]
        index += 2 * count + 1
    return places
