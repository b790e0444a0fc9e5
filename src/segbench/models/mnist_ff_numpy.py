"""The fully connected digit classifier, computed by NumPy instead of PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.models.mnist import MnistFF, require_size
from segbench.models.numpy_ff import Array, NumpyFF


class MnistFFNumpy(MnistFF):
    """:class:`segbench.models.mnist.MnistFF` with its forward pass, loss and gradients in NumPy.

    Parameters have the same names and the same initialisation, so runs of the two can be compared and can start from
    each other's checkpoints. The arrays of :class:`segbench.models.numpy_ff.NumpyFF` share memory with torch's
    parameters: NumPy computes with what a checkpoint holds. CPU only, in float32 or float64.

    It has :meth:`loss_and_gradients`, so :class:`segbench.tasks.manual_gradients.ManualGradientsTask` trains it.

    Args: see :class:`segbench.models.mnist.MnistFF`.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K) for images (B,C,size,size); invisible to torch's autograd.

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
        # The task checks that the loss is finite, with a more helpful message than NumPy's warnings.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._arrays().loss_and_gradients(self._rows(image), label.numpy())

    def count_flops(self) -> int:
        """Return the FLOPs of one image's forward pass (2 per multiply-add), which torch cannot count here."""
        return 2 * sum(layer.weight.numel() for layer in self._layers())

    def _layers(self) -> list[nn.Linear]:
        return [*(layer for layer in self.body if isinstance(layer, nn.Linear)), self.head]

    def _arrays(self) -> NumpyFF:
        # New views each time: torch may move a parameter to other memory (deepcopy, load_state_dict(assign=True)).
        layers = self._layers()
        return NumpyFF(
            [layer.weight.detach().numpy() for layer in layers], [layer.bias.detach().numpy() for layer in layers]
        )

    def _rows(self, image: Tensor) -> Array:
        require_size(image, self.size)
        rows: Array = image.detach().numpy().reshape(len(image), -1)
        return rows
