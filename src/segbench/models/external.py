"""Networks of other libraries, which are optional."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from torch import Tensor, nn

from segbench.errors import ConfigError
from segbench.models.deeplab import LoneBatchNorm


def require(package: str, extra: str) -> ModuleType:
    """Import an optional package.

    Args:
        package: Its name for ``import``.
        extra: The extra of ``pyproject.toml`` that brings it, and the name of the choice that needs it.

    Raises:
        ConfigError: If it cannot be imported; says how to install it.
    """
    try:
        return import_module(package)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == package
        reason = "is not installed" if absent else f"cannot be imported ({error})"
        raise ConfigError(f"model={extra}: {package} {reason}; pip install -c constraints.txt '.[{extra}]'") from error


class Foreign(nn.Module):
    """Another library's network in the place of ours.

    Batch normalisation of one value a channel, as image pooling gives it for a batch of one image, takes the running
    statistics (:class:`segbench.models.deeplab.LoneBatchNorm`), where libraries refuse such a batch.

    Args:
        network: Maps (B,C,H,W) to logits (B,K,H,W), or to a sequence with nothing else in it.
        stride: What height and width of the image must be divisible by.
        name: What the user typed, for refusals.

    Attributes:
        network: The library's network; parts of it are frozen by names such as ``network.encoder``.
        stride: As given.
    """

    def __init__(self, network: nn.Module, stride: int, name: str) -> None:
        super().__init__()
        self.network, self.stride, self.name = network, stride, name
        for layer in network.modules():
            if type(layer) is nn.BatchNorm2d:
                layer.__class__ = LoneBatchNorm  # the same weights and state, another forward()

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by ``stride``.

        Raises:
            ConfigError: If the network gives anything else.
        """
        result = self.network(image)
        if isinstance(result, list | tuple) and len(result) == 1:
            result = result[0]
        if not isinstance(result, Tensor):
            raise ConfigError(f"{self.name}: gives a {type(result).__name__} of several results in place of logits")
        if result.dim() != 4 or result.shape[-2:] != image.shape[-2:]:
            raise ConfigError(
                f"{self.name}: gives {tuple(result.shape)} for images {tuple(image.shape)}, no logit for each pixel"
            )
        return result
