"""Classifiers of handwritten digits: a fully connected and a convolutional network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from segbench.errors import ConfigError
from segbench.models.blocks import require_dropout, require_positive
from segbench.models.initialisation import Init, initialise


class MnistFF(nn.Module):
    """Fully connected network: 109,386 parameters (784-128-64-10) for 28x28 images of one channel and 10 classes.

    Every pixel is an input; a ReLU follows each hidden layer.

    Args:
        in_channels: Channels of the image.
        out_channels: Number of classes.
        hidden: Units of each hidden layer, in order.
        size: Height and width of the images.
        init: Weight initialisation: see :func:`segbench.models.initialisation.initialise`.

    Attributes:
        task: The task the network is for.
        body: Hidden layers.
        head: The last layer.

    Raises:
        ValueError: If a number is not a positive integer, or there is no such ``init``.
    """

    task = "classification"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: Sequence[int] = (128, 64),
        size: int = 28,
        init: Init = "he",
    ) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, size=size)
        for count in hidden:
            require_positive(hidden=count)
        self.size = size
        nodes = [in_channels * size**2, *hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(nodes):
            layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(nodes[-1], out_channels)
        initialise(self, init)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K) for images (B,C,size,size).

        Raises:
            ConfigError: If the images have another size.
        """
        require_size(image, self.size)
        return self.head(self.body(image.flatten(start_dim=1)))


class MnistCNN(nn.Module):
    """Convolutional network: 21,688 parameters for 28x28 images of one channel and 10 classes.

    Three 3x3 convolutions of 8, 16 and 32 filters, each followed by a ReLU and the first two by 2x2 max pooling; a
    hidden fully connected layer with a ReLU; an output layer.

    A ReLU is monotonic, so ``pool_first`` computes the same function, with bit-identical gradients; only the cost
    differs.

    Args:
        in_channels: Channels of the image.
        out_channels: Number of classes.
        hidden: Units of the hidden layer.
        dropout: Dropout probability of the hidden layer, after its ReLU, in [0, 1).
        batch_norm: Whether batch normalisation follows each convolution, before pooling and ReLU.
        pool_first: Whether pooling comes before the ReLU.
        size: Height and width of the images, at least 4.
        init: Weight initialisation: see :func:`segbench.models.initialisation.initialise`.

    Attributes:
        task: The task the network is for.
        encoder: The convolutional layers.
        hidden: The hidden layer.
        head: The last layer.

    Raises:
        ValueError: If a number is outside its range, or there is no such ``init``.
    """

    task = "classification"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: int = 10,
        dropout: float = 0.0,
        batch_norm: bool = False,
        pool_first: bool = False,
        size: int = 28,
        init: Init = "torch",
    ) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, hidden=hidden, size=size)
        if size < 4:
            raise ValueError(f"size must be at least 4 to be pooled twice, got {size}")
        require_dropout(dropout)
        self.size = size
        layers: list[nn.Module] = []
        for before, after, pooled in ((in_channels, 8, True), (8, 16, True), (16, 32, False)):
            layers.append(nn.Conv2d(before, after, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(after))
            rest = [nn.ReLU(), nn.MaxPool2d(kernel_size=2)] if pooled else [nn.ReLU()]
            layers += reversed(rest) if pool_first else rest
        self.encoder = nn.Sequential(*layers)
        self.hidden = nn.Sequential(nn.Linear(32 * (size // 4) ** 2, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(hidden, out_channels)
        initialise(self, init)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K) for images (B,C,size,size).

        Raises:
            ConfigError: If the images have another size.
        """
        require_size(image, self.size)
        return self.head(self.hidden(self.encoder(image).flatten(start_dim=1)))


def require_size(image: Tensor, size: int) -> None:
    """Check that images (B,C,H,W) have the height and width ``size``.

    Raises:
        ConfigError: If they do not; says what to set.
    """
    height, width = image.shape[-2:]
    if (height, width) != (size, size):
        raise ConfigError(
            f"model.size={size}: the images are {height}x{width}; the network takes {size}x{size} (set data.size)"
        )
