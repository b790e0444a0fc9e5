"""The fully connected classifier of digits, computed by NumPy instead of PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.models.mnist import MnistFF, require_size
from segbench.models.numpy_ff import Array, NumpyFF


class MnistFFNumpy(MnistFF):
    """:class:`segbench.models.mnist.MnistFF` with its forward pass, loss and gradients in NumPy.

    It has the same weights under the same names, drawn alike, so that runs of both can be compared and can start from
    each other's weights. The arrays of :class:`segbench.models.numpy_ff.NumpyFF` are the memory of torch's parameters:
    what a checkpoint holds is what NumPy computes with. Only on the processor, in float32 or float64.

    :meth:`loss_and_gradients` makes it a network that
    :class:`segbench.tasks.manual_gradients.ByHandTask` trains.

    Args: see :class:`segbench.models.mnist.MnistFF`.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K) for images (B,C,size,size); torch's automatic gradients do not see it.

        Raises:
            ConfigError: If the images have another size.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return torch.from_numpy(self._arrays().forward(self._rows(image))[-1])

    def loss_and_gradients(self, image: Tensor, label: Tensor) -> tuple[float, list[NDArray[np.floating]]]:
        """Return the mean cross entropy of a batch, and its gradients in the order of ``parameters()``.

        Args:
            image: (B,C,size,size).
            label: int64 (B,).

        Raises:
            ConfigError: If the images have another size.
        """
        # Whether the loss is finite is asked by the task, whose refusal says more than NumPy's warnings.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._arrays().loss_and_gradients(self._rows(image), label.numpy())

    def count_flops(self) -> int:
        """Return the operations of one image's forward pass (a multiply-add is 2), which torch cannot count here."""
        return 2 * sum(layer.weight.numel() for layer in self._layers())

    def _layers(self) -> list[nn.Linear]:
        return [*(layer for layer in self.body if isinstance(layer, nn.Linear)), self.head]

    def _arrays(self) -> NumpyFF:
        # Views made anew each time: torch may give a parameter other memory (deepcopy, load_state_dict(assign=True)).
        layers = self._layers()
        return NumpyFF(
            [layer.weight.detach().numpy() for layer in layers], [layer.bias.detach().numpy() for layer in layers]
        )

    def _rows(self, image: Tensor) -> Array:
        require_size(image, self.size)
        rows: Array = image.detach().numpy().reshape(len(image), -1)
        return rows
