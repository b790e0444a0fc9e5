"""Fits published or stored weights into a network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from torch import Tensor, nn

from segbench.errors import CheckpointError
from segbench.models.weight_files import read_weights

log = logging.getLogger("segbench")
# How a wrapper calls its network, and that its backbone.
_INSIDE = ("network.", "encoder.")


def load_pretrained(
    network: nn.Module,
    source: str | None,
    published: Mapping[str, str] | None = None,
    drop: Collection[str] = (),
    rename: Callable[[Mapping[str, Tensor]], Mapping[str, str]] | None = None,
    inside: Sequence[str] = _INSIDE,
) -> None:
    """Load published weights into a backbone; without a source it keeps its random initialisation.

    If the first convolution does not take 3 channels, it gets the mean over the published colour channels, scaled so
    that an image with equal channels gives the published response. A convolution that replaces a fully connected layer
    gets that layer's weights, (out,in) reshaped to (out,channels,height,width).

    Args:
        network: The backbone, with the published shapes.
        source: A file, an address, a name in ``published``, or None
            (:func:`segbench.models.weight_files.read_weights`); the weights of the backbone, or of a whole network with
            such an ``encoder``.
        published: Names of published weights, with their official addresses.
        drop: How the names of weights begin that the backbone has no use for (the classifier).
        rename: Given the stored weights, returns the required stored names, each mapped to the backbone's name; weights
            that are not mapped to keep their initialisation. By default the names are equal.
        inside: How the names of the backbone's weights may begin in a file of a larger network, outermost first.

    Raises:
        CheckpointError: If the weights cannot be downloaded or read, or belong to another network; names the first
            weight that is missing, unknown or of another shape.
    """
    if source is None:
        return
    found = part_of(read_weights(source, published or {}), inside)
    stored = {name: value for name, value in found.items() if not name.startswith(tuple(drop))}
    own = network.state_dict()
    names = {name: name for name in own} if rename is None else rename(stored)
    expected = {theirs: own[ours] for theirs, ours in names.items()}
    # Files written before torch 0.4.1 lack these counters, which batch normalisation with momentum never reads.
    for name in expected.keys() - stored.keys():
        if name.endswith("num_batches_tracked"):
            stored[name] = expected[name]
    _check_names(network, source, expected, stored)
    fit_channels(stored, expected)
    fitted = {names[name]: _reshaped(source, name, stored[name], value) for name, value in expected.items()}
    network.load_state_dict(own | fitted)
    log.info("model.pretrained: loaded %s into %s", source, type(network).__name__)


def part_of(stored: Mapping[str, Tensor], inside: Sequence[str] = _INSIDE) -> dict[str, Tensor]:
    """Return the backbone's weights of a whole network, as an export has them; else all."""
    found = dict(stored)
    for prefix in inside:
        part = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
        found = part or found
    return found


def fit_channels(stored: dict[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Fit the stored weight (out,C,h,w) of a first convolution to other input channels, in place.

    Args:
        stored: Weights by name.
        expected: Of the network, in its order: the first with four dimensions is that of the first convolution.
    """
    first = next((name for name, value in expected.items() if value.dim() == 4), None)
    published = stored.get(first) if first else None
    if first is None or published is None or published.dim() != 4:
        return
    channels = expected[first].shape[1]
    if published.shape[1] != channels:
        mean = published.mean(dim=1, keepdim=True) * (published.shape[1] / channels)
        stored[first] = mean.expand(-1, channels, -1, -1)


def _reshaped(source: str, name: str, published: Tensor, own: Tensor) -> Tensor:
    """Return a published weight in the network's shape, or refuse it."""
    if published.dim() == 2 and published.shape == own.flatten(1).shape:
        return published.reshape(own.shape)
    if published.shape != own.shape:
        raise CheckpointError(
            f"model.pretrained={source}: {name} is {tuple(published.shape)} there and {tuple(own.shape)} here;"
            " its network must have the same width"
        )
    return published


def _check_names(network: nn.Module, source: str, expected: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> None:
    faults = [f"{name} is missing" for name in expected if name not in stored]
    faults += [f"{type(network).__name__.lstrip('_')} has no {name}" for name in stored if name not in expected]
    if faults:
        more = f" and {len(faults) - 1} more do not match" if len(faults) > 1 else ""
        raise CheckpointError(f"model.pretrained={source}: weights of another network ({faults[0]}{more})")
