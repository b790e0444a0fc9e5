"""Weight initialisation of convolutions and fully connected layers."""

from __future__ import annotations

from typing import Literal

from torch import nn

Init = Literal["he", "xavier", "torch"]
_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def initialise(network: nn.Module, init: Init) -> None:
    """Reinitialise every convolution and fully connected layer; other layers are left alone.

    - ``he``: normal with variance 2 / fan_in (He et al. 2015, arXiv 1502.01852, equation 10), biases 0.
    - ``xavier``: uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, equation 16), biases 0.
    - ``torch``: torch's defaults, weights and biases uniform in +-1/sqrt(fan_in); changes nothing.

    Args:
        network: The network; changed in place.
        init: The scheme.

    Raises:
        ValueError: If there is no such scheme.
    """
    if init not in ("he", "xavier", "torch"):
        raise ValueError(f"init must be he, xavier or torch, got {init}")
    for layer in network.modules():
        if init == "torch" or not isinstance(layer, _LAYERS):
            continue
        if init == "he":
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
