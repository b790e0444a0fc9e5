"""Networks from other, optional libraries."""

from __future__ import annotations

from torch import Tensor, nn

from segbench.errors import ConfigError
from segbench.models.blocks import SmallInstanceNorm
from segbench.models.deeplab import SingleValueBatchNorm

# Same parameters and state, another forward().
_BORNE: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm2d: SingleValueBatchNorm,
    nn.InstanceNorm2d: SmallInstanceNorm,
}


class ExternalNetwork(nn.Module):
    """Wraps another library's network in the interface of ours.

    Libraries refuse to train on a batch of one image where image pooling leaves one value per channel; here batch
    normalisation then uses its running statistics (:class:`segbench.models.deeplab.SingleValueBatchNorm`). They also
    refuse feature maps of one pixel; of those instance normalisation leaves the bias
    (:class:`segbench.models.blocks.SmallInstanceNorm`).

    Args:
        network: Maps (B,C,H,W) to logits (B,K,H,W), or to a sequence that contains nothing else.
        stride: Height and width of the image must be multiples of this.
        name: What the user typed, for error messages.

    Attributes:
        network: The library's network; name its parts to freeze them, for example ``freeze=network.encoder``.
        stride: As given.
    """

    def __init__(self, network: nn.Module, stride: int, name: str) -> None:
        super().__init__()
        self.network, self.stride, self.name = network, stride, name
        for layer in network.modules():
            layer.__class__ = _BORNE.get(type(layer), type(layer))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) whose sides are divisible by ``stride``.

        Raises:
            ConfigError: If the network returns anything else.
        """
        result = self.network(image)
        if isinstance(result, list | tuple) and len(result) == 1:
            result = result[0]
        if not isinstance(result, Tensor):
            raise ConfigError(f"{self.name}: returns a {type(result).__name__} of several outputs, not logits")
        if result.dim() != 4 or result.shape[-2:] != image.shape[-2:]:
            raise ConfigError(
                f"{self.name}: returns {tuple(result.shape)} for images {tuple(image.shape)}, not a logit per pixel"
            )
        return result
