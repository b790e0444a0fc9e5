"""Any network of segmentation_models.pytorch: ``model=smp model.arch=Unet model.encoder=resnet18``."""

from __future__ import annotations

import inspect
import re
from functools import partial
from typing import Any

from segbench.errors import CheckpointError, ConfigError
from segbench.installation import require
from segbench.models.blocks import require_positive
from segbench.models.external import ExternalNetwork
from segbench.models.smp_weights import TIMM, build_with_weights
from segbench.suggest import nearest


class SMP(ExternalNetwork):
    """A network of segmentation_models.pytorch (https://github.com/qubvel-org/segmentation_models.pytorch, MIT).

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        arch: Name of the architecture, case-insensitive: Unet, UnetPlusPlus, MAnet, Linknet, FPN, PSPNet, DeepLabV3,
            DeepLabV3Plus, PAN, UPerNet, Segformer, DPT.
        encoder: Name of the encoder: one of the library's, or ``tu-`` followed by one of timm's.
        pretrained: Weights of the encoder: the name of published ones (``imagenet`` and others), a file, an address, or
            None for random initialisation.
        arguments: Further arguments of the architecture.

    Attributes:
        stride: Height and width of the image must be multiples of this: the encoder's output stride.
        heads: Names of the submodules whose shape depends on the number of classes.
        dropped_bytes: At most so many bytes of parameters are made and dropped again: the library builds encoders with
            the head of a classifier, VGG's being the largest.

    Raises:
        ConfigError: If the library is not installed or has no such architecture or encoder.
        CheckpointError: If the weights cannot be downloaded or read, or belong to another encoder.
    """

    heads = ("network.segmentation_head",)
    dropped_bytes = 2**29

    @classmethod
    def stored_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments that a checkpoint of anyone may set: an architecture's own, and an encoder by its name.

        Raises:
            CheckpointError: If others are set, or the encoder is an address.
        """
        kinds = require("segmentation_models_pytorch", "smp", "model=smp").MODEL_ARCHITECTURES_MAPPING
        arch, encoder = str(arguments.get("arch", "Unet")).lower(), str(arguments.get("encoder", "resnet18"))
        if not re.fullmatch(r"[\w.-]+", encoder):
            raise CheckpointError(f"model.encoder={encoder!a:.100}: no name of an encoder; trust=true if it is yours")
        known = _further(kinds[arch]) if arch in kinds else set()
        if unknown := sorted(set(arguments.get("arguments") or {}) - known):
            raise CheckpointError(f"model.arguments.{unknown[0]}: not an argument of {arch}; trust=true if it is yours")
        # The name of published weights had a key of its own once.
        return {name: value for name, value in arguments.items() if name != "encoder_weights"}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        arch: str = "Unet",
        encoder: str = "resnet18",
        pretrained: str | None = None,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        require_positive(in_channels=in_channels, out_channels=out_channels)
        library = require("segmentation_models_pytorch", "smp", "model=smp")
        if arch.lower() not in library.MODEL_ARCHITECTURES_MAPPING:
            names = [kind.__name__ for kind in library.MODEL_ARCHITECTURES_MAPPING.values()]
            raise ConfigError(f"model.arch={arch}: no such architecture{nearest(arch, names)}")
        known = library.encoders.encoders
        if encoder not in known and not _is_of_timm(encoder):
            raise ConfigError(f"model.encoder={encoder}: no such encoder{nearest(encoder, list(known))}")
        channels = {"in_channels": in_channels, "classes": out_channels}
        build = partial(library.create_model, arch, encoder, encoder_weights=None, **channels, **(arguments or {}))
        published = known.get(encoder, {}).get("pretrained_settings", {})
        network: Any = build() if pretrained is None else build_with_weights(build, encoder, published, pretrained)
        super().__init__(network, int(network.encoder.output_stride), f"model.arch={arch}")


def _is_of_timm(encoder: str) -> bool:
    """Say whether it is an encoder of timm, by its name or by an address, which is timm's to look up."""
    name = encoder.removeprefix(TIMM)
    return name != encoder and (":" in name or bool(require("timm", "smp", "model=smp").is_model(name)))


def _further(kind: type) -> set[str]:
    """Return an architecture's arguments besides those of this class; further ones reach timm, which opens files."""
    named = [item.name for item in inspect.signature(kind).parameters.values() if item.kind is not item.VAR_KEYWORD]
    return set(named) - {"encoder_name", "encoder_weights", "in_channels", "classes"}
