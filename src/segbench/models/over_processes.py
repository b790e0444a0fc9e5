"""Layers that see the whole batch of a training step whose images are spread over several processes.

A layer becomes one in its place: its parameters, its state and its name stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from segbench.errors import ConfigError
from segbench.models.deeplab import SingleValueBatchNorm
from segbench.processes import current_step


class _SharedDropout(_DropoutNd):
    """Draws for the images of all processes, in their order, and takes what falls on its own.

    So an image loses what it would lose in one process, on a processor to the bit; all processes draw the same
    numbers, whatever their shares.
    """

    # Whether whole channels are dropped.
    channels = False

    def forward(self, x: Tensor) -> Tensor:
        """Return the input (B,...), with elements or channels dropped."""
        step = current_step()
        if not self.training or step is None:
            return super().forward(x)
        own = step.share.of(step.images)
        rows = step.images if len(x) == own else len(x) * step.share.count
        shape = (x.shape[1], *(1 for _ in x.shape[2:])) if self.channels else x.shape[1:]
        return x * step.share.cut(super().forward(x.new_ones(rows, *shape)))


class _Dropout(_SharedDropout, nn.Dropout):
    pass


class _Dropout1d(_SharedDropout, nn.Dropout1d):
    channels = True


class _Dropout2d(_SharedDropout, nn.Dropout2d):
    channels = True


class _Dropout3d(_SharedDropout, nn.Dropout3d):
    channels = True


class _Sum(torch.autograd.Function):
    """The sum over processes. What depends on it in any of them depends on the values of each: gradients add up too."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


def _total(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)
    return total


class _SharedBatchNorm(_BatchNorm):
    """Batch normalisation by the mean and the variance of the images of all processes.

    As :class:`torch.nn.SyncBatchNorm`, which computes on graphics cards alone, for any device: the means are exchanged
    first, then the squares of what differs from them, which loses less than the mean of squares. Gradients flow
    through both to the images of all processes.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the input (B,C,...), normalised."""
        if not self.training or current_step() is None:
            return super().forward(x)
        axes, shape = [0, *range(2, x.ndim)], (1, -1, *(1 for _ in x.shape[2:]))
        values = x.float()
        count = values.new_tensor([values.numel() / max(values.shape[1], 1)])
        sums = _total(torch.cat((values.sum(axes), count)))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = values - mean.view(shape)
        variance = _total(centred.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach(), count)
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        result = centred * scale.view(shape)
        if self.bias is not None:
            result = result + self.bias.view(shape)
        return result.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Update the running statistics, the variance without bias, as torch does."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        rate = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        for running, value in ((self.running_mean, mean), (self.running_var, variance * count / (count - 1))):
            running.mul_(1 - rate).add_(rate * value)


class _BatchNorm1d(_SharedBatchNorm, nn.BatchNorm1d):
    pass


class _BatchNorm2d(_SharedBatchNorm, nn.BatchNorm2d):
    pass


class _BatchNorm3d(_SharedBatchNorm, nn.BatchNorm3d):
    pass


class _SingleValueBatchNorm(_SharedBatchNorm, SingleValueBatchNorm):
    def forward(self, x: Tensor) -> Tensor:
        """Return (B,C,H,W), normalised; by the running statistics where all processes have one value per channel."""
        step = current_step()
        if self.training and step is not None and step.images * x.shape[2] * x.shape[3] == 1:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(x)


_DROPOUTS: Mapping[type, type] = {
    nn.Dropout: _Dropout,
    nn.Dropout1d: _Dropout1d,
    nn.Dropout2d: _Dropout2d,
    nn.Dropout3d: _Dropout3d,
}
_BATCH_NORMS: Mapping[type, type] = {
    nn.BatchNorm1d: _BatchNorm1d,
    nn.BatchNorm2d: _BatchNorm2d,
    nn.BatchNorm3d: _BatchNorm3d,
    SingleValueBatchNorm: _SingleValueBatchNorm,
}


def share_dropout(network: nn.Module) -> None:
    """Let dropout draw for the images of all processes."""
    _replace(network, _DROPOUTS)


def share_batch_norm(network: nn.Module, cuda: bool) -> None:
    """Let batch normalisation see the images of all processes.

    Args:
        network: The network; its layers are replaced.
        cuda: Whether it will be trained on graphics cards, where torch's own layer is faster.

    Raises:
        ConfigError: If a layer computes something else than torch's, which would be lost.
    """
    for layer in network.modules():
        if isinstance(layer, _BatchNorm) and type(layer) not in (*_BATCH_NORMS, *_BATCH_NORMS.values()):
            raise ConfigError(
                f"trainer.sync_batchnorm=true: {type(layer).__name__} of the network is no batch normalisation of "
                "torch's, so it cannot take the images of all processes; use trainer.devices=1, or false"
            )
    if not cuda:
        _replace(network, _BATCH_NORMS)
        return
    # Torch's takes the variance of a single value, of which the running variance would be no number.
    _replace(network, {SingleValueBatchNorm: _SingleValueBatchNorm})
    for layer in list(network.modules()):
        for name, child in layer.named_children():
            if type(child) in _BATCH_NORMS:
                setattr(layer, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))


def has_batch_norm(network: nn.Module) -> bool:
    """Say whether a network has layers whose statistics are those of a batch."""
    return any(isinstance(layer, _BatchNorm) for layer in network.modules())


def drops_as_told(layer: nn.Module) -> bool:
    """Say whether a layer's random numbers are those that :func:`share_dropout` lets all processes share."""
    return type(layer) in _DROPOUTS


def _replace(network: nn.Module, others: Mapping[type, type]) -> None:
    for layer in network.modules():
        if type(layer) in others:
            layer.__class__ = others[type(layer)]  # same parameters and state, another forward()
