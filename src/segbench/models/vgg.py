"""VGG16 as a backbone: its 13 convolutions, with or without batch normalisation and its fully connected layers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from segbench.models.blocks import require_dropout, require_positive
from segbench.models.initialisation import initialise
from segbench.models.pretrained import load_pretrained

VGG16_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
# Convolutions and filters (in widths) of the five stages: Simonyan and Zisserman 2015, table 1, configuration D.
STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
_PUBLISHED_NODES = 4096


class VGG16(nn.Module):
    """VGG16 without its classifier's last layer: 14,714,688 parameters at width 64 for 3 channels, by default.

    After Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015 (arXiv
    1409.1556), table 1, configuration D. Layers have torchvision's names; with batch normalisation, those of
    ``vgg16_bn``. Convolutions have He initialisation with zero biases, or published weights.

    The published ``vgg16`` has no batch normalisation. With ``batch_norm`` its weights and biases go to our
    convolutions in order, and batch normalisation keeps its initial values: scale 1, shift 0, mean 0, variance 1. In
    evaluation that is the published network; training then normalises its features. A file with the layout of
    ``vgg16_bn`` brings its own batch normalisation.

    Args:
        in_channels: Channels of the image.
        width: Filters of the first stage. 64 is the paper's, and required by published weights.
        batch_norm: Whether batch normalisation follows each convolution.
        fully_connected: Channels of the two fully connected layers, as 7x7 and 1x1 convolutions; 0 leaves them out.
            Published weights fill them if this is 4096; with another number they start at random.
        dropout: Dropout probability after each of them, in [0, 1).
        pretrained: ``imagenet`` (downloaded from the official URL), a file, an address, or None for random
            initialisation.

    Attributes:
        channels: Channels of the five stages.

    Raises:
        ValueError: If an argument is out of range.
        CheckpointError: If the pretrained weights cannot be loaded or belong to another network.
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
        require_dropout(dropout)
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
        load_pretrained(self, pretrained, {"imagenet": VGG16_URL}, unused, self._renamed)

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the outputs and the indices of the five poolings for images (B,C,H,W).

        The i-th of each is (B,channels[i],H/2^(i+1),W/2^(i+1)); indices are int64, h * width + w in the pooling's
        input, as :func:`torch.nn.functional.max_unpool2d` takes them.
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

    def _renamed(self, stored: Mapping[str, Tensor]) -> dict[str, str]:
        """Return, for each weight of a file with a published layout, the name of our weight that it fills."""
        published = len(self.classifier) > 0 and self.classifier[0].out_channels == _PUBLISHED_NODES
        own = {name: name for name in self.state_dict() if published or not name.startswith("classifier.")}
        ours = [index for index, layer in enumerate(self.features) if isinstance(layer, nn.Conv2d)]
        theirs = _published_indices()
        if ours == theirs or any(name.endswith("running_mean") for name in stored):
            return own
        convolutions = {
            f"features.{there}.{part}": f"features.{here}.{part}"
            for there, here in zip(theirs, ours, strict=True)
            for part in ("weight", "bias")
        }
        return convolutions | {name: name for name in own if name.startswith("classifier.")}


def _published_indices() -> list[int]:
    """Return the convolutions' layer numbers in the published network, which has no batch normalisation."""
    indices, index = list[int](), 0
    for count, _ in STAGES:
        indices += [index + 2 * step for step in range(count)]
        index += 2 * count + 1
    return indices
