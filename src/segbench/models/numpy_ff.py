"""A fully connected classifier and its training in pure NumPy.

For images x (one per row), layer l with weights W_l (units x inputs) and biases b_l, and a ReLU after all but the last:

    a_0 = x,   z_l = a_(l-1) W_l^T + b_l,   a_l = max(z_l, 0),   logits = z_L

The loss is the mean over the B images of -log p[true class], p = softmax(logits). Backpropagation, from the last layer
to the first (Goodfellow et al., "Deep Learning", 2016, algorithm 6.4):

    d_L = (p - one_hot(truth)) / B
    dloss/dW_l = d_l^T a_(l-1),   dloss/db_l = sum of d_l over images,   d_(l-1) = (d_l W_l) where a_(l-1) > 0, else 0

A step of gradient descent subtracts ``rate`` times its gradient from each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


class NumpyFF:
    """The network, over arrays that the caller owns and may update in place.

    Args:
        weights: W_l, (units, inputs) for each layer, first layer first.
        biases: b_l, (units,) for each layer.
    """

    def __init__(self, weights: Sequence[Array], biases: Sequence[Array]) -> None:
        self.weights, self.biases = list(weights), list(biases)

    def forward(self, x: Array) -> list[Array]:
        """Return the activations a_0 to a_(L-1) of images (B,inputs), then their logits (B,K)."""
        activations = [x]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            activations.append(np.maximum(activations[-1] @ weight.T + bias, 0))
        return [*activations, activations[-1] @ self.weights[-1].T + self.biases[-1]]

    def loss_and_gradients(self, x: Array, truth: NDArray[np.int64]) -> tuple[float, list[Array]]:
        """Return the mean cross entropy of a batch and its gradient with respect to every weight and bias.

        Args:
            x: Images (B,inputs).
            truth: Their classes, (B,).

        Returns:
            The loss in nats, and the gradients of W_1, b_1, W_2, b_2, ...
        """
        *activations, logits = self.forward(x)
        log_p = log_softmax(logits)
        images = np.arange(len(truth))
        loss = -log_p[images, truth].mean()

        delta = np.exp(log_p)
        delta[images, truth] -= 1
        delta /= len(truth)
        gradients: list[Array] = []
        for layer in reversed(range(len(self.weights))):
            before = activations[layer]
            gradients = [delta.T @ before, delta.sum(axis=0), *gradients]
            if layer > 0:  # the gradient with respect to the images is not needed
                delta = delta @ self.weights[layer]
                delta *= before > 0
        return float(loss), gradients


def log_softmax(logits: Array) -> Array:
    """Return log(exp(z) / sum exp(z)) of each row (B,K), subtracting the maximum first so that exp cannot overflow."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def descend(weight: Array, gradient: Array, rate: float) -> None:
    """Take a step of gradient descent, weight <- weight - rate * gradient, in place.

    Args:
        weight: Weights or biases of any shape.
        gradient: The gradient, of the same shape.
        rate: Learning rate.
    """
    weight -= rate * gradient
