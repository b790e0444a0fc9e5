"""Any network of MONAI that maps images to logits: ``model=monai model.arch=UNet``."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from segbench.errors import CheckpointError, ConfigError
from segbench.installation import require
from segbench.models.blocks import require_positive
from segbench.models.external import ExternalNetwork
from segbench.models.pretrained import load_pretrained
from segbench.suggest import nearest
from segbench.words import first_line

# Arguments for which MONAI has no defaults: five levels, like our U-Net.
_DEFAULTS = {"channels": (16, 32, 64, 128, 256), "strides": (2, 2, 2, 2)}


# What a checkpoint may name: the library's networks for segmentation, which read no file by any argument.
ARCHITECTURES = (
    "AHNet", "AttentionUnet", "BasicUNet", "BasicUNetPlusPlus", "DynUNet", "FlexibleUNet", "HighResNet", "MedNeXt",
    "SegResNet", "SegResNetDS", "SegResNetDS2", "SwinUNETR", "UNet", "UNETR", "VNet",
)  # fmt: skip


# Whose windows are those of the image where it is small: a graph of their operations holds for one size.
_BY_SIZE = ("SwinUNETR",)


class Monai(ExternalNetwork):
    """A network of MONAI (https://github.com/Project-MONAI/MONAI, Apache 2.0).

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        arch: Name of the class in ``monai.networks.nets``: UNet, AttentionUnet, BasicUNet, SegResNet, SwinUNETR, ...
        arguments: Its further arguments. If it requires ``channels`` and ``strides``, they default to five levels
            starting at 16 channels.
        stride: Height and width of the image must be multiples of this; 32 suits the library's networks.
        pretrained: Weights of the whole network but for the layers that depend on the classes: a file, an address, or
            None for random initialisation. MONAI publishes none for two dimensions under a name.

    Attributes:
        computes_by_size: Whether the order of operations depends on the image's size, so that an export is for one.

    Raises:
        ConfigError: If MONAI is not installed, or has no such network or argument.
        CheckpointError: If the weights cannot be downloaded or read, or belong to another network.
        ValueError: If a number is not a positive integer.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        arch: str = "UNet",
        arguments: dict[str, Any] | None = None,
        stride: int = 32,
        pretrained: str | None = None,
    ) -> None:
        require_positive(in_channels=in_channels, out_channels=out_channels, stride=stride)
        kind, accepted = _find(arch)
        given = dict(arguments or {})
        unknown = [name for name in given if name not in accepted or name in ("in_channels", "out_channels")]
        if unknown:
            raise ConfigError(
                f"model.arguments.{unknown[0]}: {arch} takes no such argument{nearest(unknown[0], list(accepted))}"
            )
        given = {name: value for name, value in _DEFAULTS.items() if accepted.get(name, False)} | given
        if "spatial_dims" in accepted:
            given["spatial_dims"] = 2
        missing = [
            name
            for name, needed in accepted.items()
            if needed and name not in given and name not in ("in_channels", "out_channels")
        ]
        if missing:
            raise ConfigError(f"model.arguments: {arch} needs {', '.join(missing)}; +model.arguments.{missing[0]}=...")
        self.computes_by_size = arch in _BY_SIZE
        self._kind, self._arguments, self._channels = kind, given, (in_channels, out_channels)
        super().__init__(self._build(out_channels), stride, f"model.arch={arch}")
        if pretrained is not None:
            self._load(pretrained)

    @classmethod
    def stored_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments that a checkpoint of anyone may set: those of a known architecture, without downloads.

        Raises:
            CheckpointError: If the architecture is not among :data:`ARCHITECTURES`.
        """
        if (arch := arguments.get("arch", "UNet")) not in ARCHITECTURES:
            raise CheckpointError(f"model.arch={arch}: none of {', '.join(ARCHITECTURES)}; trust=true if it is yours")
        further = {name: value for name, value in (arguments.get("arguments") or {}).items() if name != "pretrained"}
        return {**arguments, "arguments": further}

    def _load(self, source: str) -> None:
        heads = tuple(f"{head.removeprefix('network.')}." for head in self.heads)
        body = {name: name for name in self.network.state_dict() if not name.startswith(heads)}
        load_pretrained(self.network, source, drop=heads, rename=lambda stored: body, inside=("network.",))

    def _build(self, out_channels: int) -> nn.Module:
        try:
            return self._kind(in_channels=self._channels[0], out_channels=out_channels, **self._arguments)
        except ImportError as error:  # MONAI's own optional packages
            raise ConfigError(f"model.arch={self._kind.__name__}: {first_line(error)}") from error

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the submodules whose shape depends on the number of classes.

        Found by building the network once more for one more class.
        """
        with torch.random.fork_rng():
            other = dict(self._build(self._channels[1] + 1).named_parameters())
        return tuple(
            dict.fromkeys(
                f"network.{name.rpartition('.')[0]}"
                for name, weight in self.network.named_parameters()
                if weight.shape != other[name].shape
            )
        )


def _find(arch: str) -> tuple[type[nn.Module], dict[str, bool]]:
    """Return the class, and for each of its arguments whether it is required."""
    nets = require("monai.networks.nets", "monai", "model=monai")
    kinds = {
        name: accepted
        for name, value in vars(nets).items()
        if inspect.isclass(value) and issubclass(value, nn.Module)
        if {"in_channels", "out_channels"} <= (accepted := _accepted(value)).keys()
    }
    if arch not in kinds:
        raise ConfigError(f"model.arch={arch}: MONAI has no such network{nearest(arch, list(kinds))}")
    return getattr(nets, arch), kinds[arch]


def _accepted(kind: type) -> dict[str, bool]:
    parameters = list(inspect.signature(kind).parameters.values())
    named = [item for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
    return {item.name: item.default is item.empty for item in named}
