"""Any network of segmentation_models.pytorch: ``model=smp model.arch=Unet model.encoder=resnet18``."""

from __future__ import annotations

from typing import Any

from segbench.errors import CheckpointError, ConfigError
from segbench.models.blocks import require_positive
from segbench.models.external import ExternalNetwork, require
from segbench.suggest import nearest
from segbench.torchvision_operators import declare_missing


class SMP(ExternalNetwork):
    """A network of segmentation_models.pytorch (https://github.com/qubvel-org/segmentation_models.pytorch, MIT).

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the logits: 1 for a sigmoid, the number of classes for a softmax.
        arch: Name of the architecture, case-insensitive: Unet, UnetPlusPlus, MAnet, Linknet, FPN, PSPNet, DeepLabV3,
            DeepLabV3Plus, PAN, UPerNet, Segformer, DPT.
        encoder: Name of the encoder: one of the library's, or ``tu-`` followed by one of timm's.
        encoder_weights: Name of its published weights (``imagenet`` and others), downloaded by the library; None for
            random initialisation.
        arguments: Further arguments of the architecture.

    Attributes:
        stride: Height and width of the image must be multiples of this: the encoder's output stride.
        heads: Names of the submodules whose shape depends on the number of classes.

    Raises:
        ConfigError: If the library is not installed or has no such architecture, encoder or weights.
        CheckpointError: If the weights cannot be downloaded.
    """

    heads = ("network.segmentation_head",)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        arch: str = "Unet",
        encoder: str = "resnet18",
        encoder_weights: str | None = None,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        require_positive(in_channels=in_channels, out_channels=out_channels)
        declare_missing()
        library = require("segmentation_models_pytorch", "smp")
        if arch.lower() not in library.MODEL_ARCHITECTURES_MAPPING:
            names = [kind.__name__ for kind in library.MODEL_ARCHITECTURES_MAPPING.values()]
            raise ConfigError(f"model.arch={arch}: no such architecture{nearest(arch, names)}")
        _check_encoder(library.encoders.encoders, encoder, encoder_weights)
        try:
            network = library.create_model(
                arch, encoder, encoder_weights, in_channels, out_channels, **(arguments or {})
            )
        except OSError as error:
            raise CheckpointError(
                f"model.encoder_weights={encoder_weights}: download failed ({type(error).__name__});"
                " go online, or use model.encoder_weights=null"
            ) from error
        super().__init__(network, int(network.encoder.output_stride), f"model.arch={arch}")


def _check_encoder(encoders: dict[str, Any], encoder: str, encoder_weights: str | None) -> None:
    if encoder.startswith("tu-"):
        return  # timm has hundreds, and rejects unknown names itself
    if encoder not in encoders:
        raise ConfigError(f"model.encoder={encoder}: no such encoder{nearest(encoder, list(encoders))}")
    published = list(encoders[encoder]["pretrained_settings"])
    if encoder_weights is not None and encoder_weights not in published:
        raise ConfigError(
            f"model.encoder_weights={encoder_weights}: {encoder} has no such weights; use null or one of"
            f" {', '.join(published)}"
        )
