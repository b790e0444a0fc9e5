"""Training of networks that compute their own gradients, without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor, nn

from segbench.errors import ConfigError
from segbench.losses import CrossEntropy
from segbench.models.numpy_ff import descend
from segbench.targets import find_class
from segbench.tasks.classification import ClassificationTask
from segbench.tasks.kind import TaskData

# Settings of the trainer that change what torch computes, as they are where torch computes nothing.
_TRAINER = {
    "precision": 32,
    "compile": False,
    "accumulate_grad_batches": 1,
    "gradient_clip_val": None,
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
}


class ComputesGradients(Protocol):
    """A network that is trained by :class:`ManualGradientsTask`: it has this method."""

    def loss_and_gradients(self, image: Tensor, label: Tensor) -> tuple[float, list[NDArray[np.floating]]]:
        """Return the loss of a batch (B,C,H,W) and (B,), and its gradients in the order of ``parameters()``."""


class NumpySGD(torch.optim.Optimizer):
    """Gradient descent, weight <- weight - lr * gradient, by NumPy on the memory of torch's parameters.

    Being one of torch's optimisers, it takes their schedules, and its state is in checkpoints.

    Args:
        weights: The parameters, on the processor.
        lr: Learning rate.
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(weights, {"lr": lr})

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # torch overloads it
        """Take a step along the gradients in ``grad``; ``closure`` computes them, and its loss is returned."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    descend(weight.detach().numpy(), weight.grad.numpy(), group["lr"])
        return loss


class ManualGradientsTask(ClassificationTask):
    """Trains a classifier by the gradients that it computes itself (:class:`ComputesGradients`), and by NumPy's SGD.

    Only what a training step consists of is replaced; batches, counters, schedule, checkpoints, evaluation (torch's
    softmax and loss of the network's own logits) and scores are those of every classifier. The loss must be the
    cross entropy and the optimiser plain SGD, of which the learning rate is taken: :meth:`check` refuses others.

    Args: see :class:`segbench.tasks.base.Task`.
    """

    _gradients: list[NDArray[np.floating]]

    @classmethod
    def trains(cls, network: type) -> bool:
        """Say whether networks of a class compute their own gradients."""
        return hasattr(network, "loss_and_gradients")

    @classmethod
    def check(cls, cfg: DictConfig, data: TaskData) -> None:
        """Refuse what a network that computes its own gradients cannot do."""
        super().check(cfg, data)
        name, trainer = find_class("model", cfg.model["_target_"]).__name__, cfg.trainer
        if find_class("loss", cfg.loss["_target_"]) is not CrossEntropy:
            raise ConfigError(f"loss: {name} computes the gradients of the cross entropy only; use loss=ce")
        _check_optimizer(cfg, name)
        for key, value in _TRAINER.items():
            if trainer[key] != value:
                mend = f"use trainer.{key}={'null' if value is None else str(value).lower()}"
                raise ConfigError(f"trainer.{key}={trainer[key]}: {name} computes by itself, without it; {mend}")
        device = torch.cuda.is_available() or torch.backends.mps.is_available()
        if trainer.accelerator != "cpu" and not (trainer.accelerator == "auto" and not device):
            raise ConfigError(
                f"trainer.accelerator={trainer.accelerator}: {name} computes on the processor; "
                "use trainer.accelerator=cpu"
            )

    def batch_loss(self, batch: dict[str, Any]) -> Tensor:
        """Return the batch's loss, and keep its gradients for :meth:`backward`."""
        network: Any = self.network
        loss, self._gradients = network.loss_and_gradients(batch["image"], batch["label"])
        return torch.tensor(loss)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Hand the gradients to the weights, where Lightning would let torch compute them."""
        for weight, gradient in zip(self.network.parameters(), self._gradients, strict=True):
            if weight.requires_grad:
                weight.grad = torch.from_numpy(gradient)

    def make_optimizer(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        """Return NumPy's SGD with the learning rate of the configured one."""
        return NumpySGD(weights, super().make_optimizer(weights).defaults["lr"])


def _check_optimizer(cfg: DictConfig, network: str) -> None:
    plain = "use optimizer=sgd_plain"
    if find_class("optimizer", cfg.optimizer["_target_"]) is not torch.optim.SGD:
        raise ConfigError(f"optimizer: {network} is trained by plain SGD only; {plain}")
    for key, value in cfg.optimizer.items():
        if key not in ("_target_", "lr") and value:
            raise ConfigError(f"optimizer.{key}={value}: {network} is trained by plain SGD only; {plain}")
