"""Tensors that say they lie on a graphics card, refuse to be mixed with others, and count what is waited for."""

from collections import Counter
from functools import cache
from typing import ClassVar

import torch

DEVICE = torch.device("cuda:0")
_aten = torch.ops.aten
# What a real GPU is waited for inside an operation, as the size of its result, or a check, depends on the values.
_READS_VALUES = {
    _aten._local_scalar_dense.default,
    _aten.nonzero.default,
    _aten.masked_select.default,
    _aten.equal.default,
    _aten.bincount.default,
    _aten._unique2.default,
    _aten.repeat_interleave.Tensor,
}
# Those that torch lists as without a deterministic form there (torch.use_deterministic_algorithms), as far as each always is.
_INEXACT = {
    getattr(_aten, name)
    for name in [
        "_adaptive_avg_pool2d_backward",
        "_adaptive_avg_pool3d_backward",
        "_ctc_loss_backward",
        "_embedding_bag_backward",
        "_upsample_bicubic2d_aa_backward",
        "_upsample_bilinear2d_aa_backward",
        "adaptive_max_pool2d_backward",
        "adaptive_max_pool3d_backward",
        "avg_pool3d_backward",
        "fractional_max_pool2d_backward",
        "fractional_max_pool3d_backward",
        "grid_sampler_2d_backward",
        "grid_sampler_3d_backward",
        "histc",
        "kthvalue",
        "max_pool3d_with_indices_backward",
        "max_unpool2d",
        "max_unpool3d",
        "median",
        "put",
        "put_",
        "reflection_pad1d_backward",
        "reflection_pad2d_backward",
        "reflection_pad3d_backward",
        "replication_pad1d_backward",
        "replication_pad2d_backward",
        "replication_pad3d_backward",
        "upsample_bicubic2d_backward",
        "upsample_bilinear2d_backward",
        "upsample_linear1d_backward",
        "upsample_trilinear3d_backward",
    ]
}
_MOVES = {_aten.copy_.default, _aten._to_copy.default}


class OnCard(torch.Tensor):
    """A tensor that says it is on :data:`DEVICE`."""

    @staticmethod
    def __new__(cls, held):
        found = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            requires_grad=held.requires_grad,
        )
        found.held = held
        return found

    device = property(lambda self: DEVICE)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def __repr__(self, **_):
        return f"OnCard({tuple(self.shape)}, {self.dtype})"

    def __reduce_ex__(self, protocol):
        return self.held.__reduce_ex__(protocol)

    def __format__(self, form):
        return format(self.item(), form)

    def tolist(self):
        return self.to("cpu").tolist()

    def numpy(self, **_):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def cpu(self, *_, **__):
        return self.to("cpu")

    def pin_memory(self, *_):
        raise RuntimeError("only CPU tensors can be pinned")

    @classmethod
    def __torch_dispatch__(cls, operation, types, arguments=(), options=None):
        options = dict(options or {})
        options.pop("device", None)
        mixed = operation in _MOVES
        values = [_held(value, mixed, operation) for value in arguments]
        result = operation(*values, **{name: _held(value, mixed, operation) for name, value in options.items()})
        if operation in _READS_VALUES or _indexed_by_mask(operation, arguments):
            Card.wait(str(operation))
        if _is_inexact(operation, arguments):
            Card.inexact[str(operation)] += 1
        if _changes(operation):
            return arguments[0] if arguments else options["out"]
        return _wrapped(result)


@cache
def _changes(operation):
    """Say whether an operation returns a tensor that it was given, changed."""
    return any(result.alias_info is not None and result.alias_info.is_write for result in operation._schema.returns)


def _held(value, mixed, operation):
    """Return what a value holds of the card; a tensor at home is refused beside one of the card, but for a number."""
    if isinstance(value, OnCard):
        return value.held
    if isinstance(value, list | tuple):
        return [_held(part, mixed, operation) for part in value]
    if isinstance(value, torch.Tensor) and value.ndim and not mixed:
        raise RuntimeError(f"{operation}: expected all tensors to be on the same device, but found cuda:0 and cpu")
    return value


def _wrapped(result):
    if isinstance(result, torch.Tensor):
        return OnCard(result)
    return type(result)(map(_wrapped, result)) if isinstance(result, list | tuple) else result


def _is_inexact(operation, arguments):
    packet = operation.overloadpacket
    if packet is _aten.nll_loss2d_forward:
        return arguments[3] != 0  # a reduction
    if packet in (_aten.cumsum, _aten.cumsum_):
        return arguments[0].is_floating_point()
    if packet is _aten.bincount:
        return len(arguments) > 1 and arguments[1] is not None
    return packet in _INEXACT


def _indexed_by_mask(operation, arguments):
    if operation not in (_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default):
        return False
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in arguments[1])


class Card:
    """What the one card has been asked.

    Attributes:
        time: Training steps that were begun.
        waits: What the host waited for, with how often.
        inexact: Operations without a deterministic form on a GPU, with how often.
    """

    time = 0
    waits: ClassVar[Counter] = Counter()
    inexact: ClassVar[Counter] = Counter()

    @classmethod
    def wait(cls, what):
        cls.waits[what] += 1
