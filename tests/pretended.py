"""A graphics card that is not there: tensors that say they lie on one, refuse to be mixed, and count what is waited for.

Everything is computed on the processor, so results can be compared with a run on it, to the bit.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import ClassVar
from unittest import mock

import torch
from pytorch_lightning.accelerators import CUDAAccelerator
from torch.nn.functional import one_hot
from torch.nn.utils import clip_grad
from torch.overrides import TorchFunctionMode

from segbench.runs.run_callback import RunCallback

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


class _Placing(TorchFunctionMode):
    """Puts what is made or sent there on the card, and takes what is sent home."""

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = dict(options or {})
        if function in (torch.Tensor.to, torch.Tensor.cuda):
            return self._move(function, arguments, options)
        if function is torch.Tensor.pin_memory and not isinstance(arguments[0], OnCard):
            return arguments[0]
        if function is one_hot and isinstance(arguments[0], OnCard):
            # Which torch writes otherwise, and with a tensor of its own, for tensors that are not its own.
            return OnCard(function(arguments[0].held, *arguments[1:], **options))
        return _made(function, arguments, options)

    def _move(self, function, arguments, options):
        tensor, *rest = arguments
        given = [*rest, *options.values()]
        places = [DEVICE] if function is torch.Tensor.cuda else []
        places += [torch.device(part) for part in given if isinstance(part, str | torch.device)]
        kinds = [part for part in given if isinstance(part, torch.dtype)]
        for other in (part for part in given if isinstance(part, torch.Tensor)):
            places, kinds = [other.device], [other.dtype]
        if places:
            tensor = _sent(tensor, places[0].type == "cuda", True in rest or bool(options.get("non_blocking")))
        form = options.get("memory_format")
        return tensor.to(kinds[0] if kinds else tensor.dtype, **({} if form is None else {"memory_format": form}))


def _made(function, arguments, options):
    """Return what a function makes on the device that it is told."""
    device = options.get("device")
    if device is None or torch.device(device).type != "cuda":
        return function(*arguments, **options)
    if function in (torch.tensor, torch.as_tensor):
        Card.wait("torch.tensor")  # copied from pageable memory
    made = function(*arguments, **(options | {"device": "cpu"}))
    return made if isinstance(made, OnCard) else OnCard(made)


def _sent(tensor, to_card, in_passing):
    """Return a tensor on the card or at home; the host waits for what is not copied in passing."""
    if isinstance(tensor, OnCard) == to_card:
        return tensor
    if not in_passing:
        Card.wait("to(cuda)" if to_card else "to(cpu)")
    return OnCard(tensor.detach()).requires_grad_(tensor.requires_grad) if to_card else tensor.held


class Event:
    """Happens when the card has come to it, which is a training step after it was recorded."""

    def __init__(self, enable_timing=False):
        self.recorded = None

    def record(self, stream=None):
        self.recorded = Card.time

    def query(self):
        return Card.time > self.recorded

    def synchronize(self):
        if not self.query():
            Card.wait("event.synchronize")

    def elapsed_time(self, other):
        return 1.0


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


class CountWaits(RunCallback):
    """Notes what the host waited for in each training step, from its begin to the next one's, and validation batch."""

    changes_result = False
    steps: ClassVar[list[Counter]] = []
    validated: ClassVar[list[Counter]] = []

    def __init__(self):
        self._before = None

    def _note(self, into):
        if self._before is not None:
            into.append(Card.waits - self._before)
        self._before = Counter(Card.waits)

    def on_train_batch_start(self, *_):
        Card.time += 1
        self._note(self.steps)

    def on_train_epoch_end(self, *_):
        self._before = None

    def on_validation_start(self, *_):
        self._before = None

    def on_validation_batch_start(self, *_):
        self._note(self.validated)

    on_validation_end = on_train_epoch_end


@contextmanager
def pretended_card():
    """Let ``cuda`` be there, and count waits from 0; yields :class:`Card`."""
    Card.time, Card.waits, Card.inexact = 0, Counter(), Counter()
    CountWaits.steps, CountWaits.validated = [], []
    autocast = torch.autocast

    def cast(device_type, *arguments, **options):
        return autocast("cpu" if device_type == "cuda" else device_type, *arguments, **options)

    def synchronize(device=None):
        Card.wait("synchronize")

    with ExitStack() as stack:
        for name, stand_in in {
            "Event": Event,
            "synchronize": synchronize,
            "mem_get_info": lambda *_: (2**30, 2**31),
            "max_memory_allocated": lambda *_: 2**28,
            "reset_peak_memory_stats": lambda *_: None,
            "get_device_name": lambda *_: "a card that is not there",
            "manual_seed": torch.manual_seed,
        }.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, stand_in))
        for name, stand_in in {
            "setup_device": lambda *_: None,
            "teardown": lambda *_: None,
            "parse_devices": staticmethod(lambda *_: [0]),
            "get_parallel_devices": staticmethod(lambda *_: [DEVICE]),
            "auto_device_count": staticmethod(lambda: 1),
            "is_available": staticmethod(lambda: True),
        }.items():
            stack.enter_context(mock.patch.object(CUDAAccelerator, name, stand_in))
        # Functions of torch that are written in Python call these where no mode sees it.
        for name in ("arange", "empty", "full", "linspace", "ones", "rand", "tensor", "zeros"):
            make = getattr(torch, name)
            made = mock.patch.object(torch, name, lambda *values, make=make, **options: _made(make, values, options))
            stack.enter_context(made)
        # Written in C++, it takes gradients for what they are.
        stack.enter_context(
            mock.patch.object(
                clip_grad, "_group_tensors_by_device_and_dtype", lambda lists: {(DEVICE, None): (lists, [])}
            )
        )
        stack.enter_context(mock.patch.object(torch, "autocast", cast))
        # Views of what was made in inference mode cannot be wrapped; without it the same is computed.
        stack.enter_context(mock.patch.object(torch, "inference_mode", torch.no_grad))
        stack.enter_context(mock.patch.dict(os.environ))
        stack.enter_context(_Placing())
        # Weights that move are other tensors there.
        stack.callback(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled())
        overwriting = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwriting)
        yield Card
