"""A graphics card that is not there, for whole trainings: everything is computed on the processor.

So results can be compared with a run on it, to the bit.
"""

import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import ClassVar
from unittest import mock

import torch
from pytorch_lightning.accelerators import CUDAAccelerator
from tests.on_card import DEVICE, Card, OnCard
from torch.nn.functional import one_hot
from torch.nn.utils import clip_grad
from torch.overrides import TorchFunctionMode

from segbench.runs.run_callback import RunCallback


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
