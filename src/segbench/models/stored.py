"""A network as a checkpoint names it: one of our classes with plain arguments, no larger than its stored weights.

A checkpoint may come from anyone. What it names is therefore looked up among the classes of :mod:`segbench.models`,
and no other module is imported for it unless the user says that the code is their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn.modules import module as registration

from segbench.errors import CheckpointError, SegbenchError
from segbench.targets import find_class, own_class
from segbench.words import first_line

PACKAGE = "segbench.models"
# Arguments that name weights to start from, which stored ones replace.
SOURCES = ("pretrained",)
_MOST_MODULES = 20_000


def without_sources(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network's arguments without the weights that it would start from."""
    return {name: None if name in SOURCES else value for name, value in arguments.items()}


def stored_network(
    target: str, arguments: Mapping[str, Any], channels: tuple[int, int], weights: Mapping[str, Tensor], trust: bool
) -> nn.Module:
    """Build the network that a checkpoint names, and give it its weights.

    Args:
        target: ``<module>.<class>``.
        arguments: Its arguments, plain values.
        channels: Channels of image and logits.
        weights: From :func:`segbench.runs.checkpoint_io.network_weights`.
        trust: Whether the class, and what the arguments name by ``_target_``, may be anyone's.

    Raises:
        CheckpointError: If the network is not ours, refuses its arguments, or the weights are another network's.
    """
    found = own_class(PACKAGE, target, nn.Module)
    try:
        if found is None or trust:
            found = find_class("model", target)
            arguments = instantiate({**without_sources(arguments), "_convert_": "all"})
        else:
            arguments = getattr(found, "stored_arguments", dict)(without_sources(arguments))
        with _no_larger_than(_stored_bytes(weights) + getattr(found, "dropped_bytes", 0)):
            network: nn.Module = found(in_channels=channels[0], out_channels=channels[1], **arguments)
    except SegbenchError:
        raise
    except Exception as error:
        raise CheckpointError(f"{target} cannot be built ({first_line(error):.200})") from error
    _fill(network, weights)
    return network


def _stored_bytes(weights: Mapping[str, Tensor]) -> int:
    """Return what weights take, those that share their numbers once."""
    storages = [value.untyped_storage() for value in weights.values()]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _fill(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    expected = network.state_dict()
    faults = [f"{name} is missing" for name in sorted(expected.keys() - weights.keys())]
    faults += [f"{name:.100} is not of it" for name in sorted(weights.keys() - expected.keys())]
    faults += [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(value.shape)}"
        for name, value in expected.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise CheckpointError(f"weights of another network than {type(network).__name__} ({faults[0]}{more})")
    network.load_state_dict(weights)


@contextmanager
def _no_larger_than(limit: int) -> Iterator[None]:
    """Refuse, before they are filled, parameters of more bytes in total, and modules without end."""
    counted, modules, total = set[int](), 0, 0

    def count(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        nonlocal total
        if parameter is not None and id(parameter) not in counted:
            counted.add(id(parameter))
            total += parameter.numel() * parameter.element_size()
        if total > limit:
            raise CheckpointError("weights of another network (it is larger than they are)")

    def count_module(module: nn.Module, name: str, submodule: nn.Module | None) -> None:
        nonlocal modules
        modules += 1
        if modules > _MOST_MODULES:
            raise CheckpointError(f"weights of another network (it has more than {_MOST_MODULES:,} layers)")

    handles = [
        registration.register_module_parameter_registration_hook(count),
        registration.register_module_module_registration_hook(count_module),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
