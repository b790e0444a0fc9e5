"""Loads published weights, from their official URL or a local file, into our own modules."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn

from segbench.environment import bounded_memory
from segbench.errors import CheckpointError, SegbenchError
from segbench.installation import require
from segbench.words import first_line

log = logging.getLogger("segbench")
# How a whole network calls its backbone.
ENCODER = "encoder."
_SAFETENSORS = ".safetensors"
# What reading a file may take beside its size, in bytes.
_MEMORY = 512 * 2**20


def load_pretrained(
    network: nn.Module,
    source: str | None,
    url: str,
    first: str,
    drop: Collection[str] = ("fc.weight", "fc.bias"),
    rename: Callable[[Mapping[str, Tensor]], Mapping[str, str]] | None = None,
) -> None:
    """Load published weights into a backbone; without a source it keeps its random initialisation.

    If the first convolution does not take 3 channels, it gets the mean over the published colour channels, scaled so
    that an image with equal channels gives the published response. A convolution that replaces a fully connected layer
    gets that layer's weights, (out,in) reshaped to (out,channels,height,width).

    Args:
        network: The backbone, with the published shapes.
        source: ``imagenet`` (downloaded from ``url`` once and cached by torch), None, or a file: a state dict, or
            safetensors; of the backbone, or of a whole network with such an ``encoder``.
        url: Official URL; the file name ends with the first digits of the SHA-256, which is checked.
        first: Name of the first convolution's weight.
        drop: Published weights that the backbone has no use for (the classifier).
        rename: Given the stored weights, returns the required stored names, each mapped to the backbone's name; weights
            that are not mapped to keep their initialisation. By default the names are equal.

    Raises:
        CheckpointError: If the weights cannot be downloaded or read, or belong to another network; names the first
            weight that is missing, unknown or of another shape.
    """
    if source is None:
        return
    found = _read(source, url)
    # Of a whole network, as an export has it, the backbone.
    part = {name.removeprefix(ENCODER): value for name, value in found.items() if name.startswith(ENCODER)}
    stored = {name: value for name, value in (part or found).items() if name not in drop}
    own = network.state_dict()
    names = {name: name for name in own} if rename is None else rename(stored)
    expected = {theirs: own[ours] for theirs, ours in names.items()}
    # Files written before torch 0.4.1 lack these counters, which batch normalisation with momentum never reads.
    for name in expected.keys() - stored.keys():
        if name.endswith("num_batches_tracked"):
            stored[name] = expected[name]
    _check_names(network, source, expected, stored)
    stored[first] = _for_channels(stored[first], expected[first])
    fitted = {names[name]: _reshaped(source, name, stored[name], value) for name, value in expected.items()}
    network.load_state_dict(own | fitted)
    log.info("model.pretrained: loaded %s into %s", source, type(network).__name__)


def _for_channels(published: Tensor, own: Tensor) -> Tensor:
    """Return a first convolution's weight (out,C,h,w) for other input channels than its own."""
    if published.dim() != 4 or published.shape[1] == own.shape[1]:
        return published
    mean = published.mean(dim=1, keepdim=True) * (published.shape[1] / own.shape[1])
    return mean.expand(-1, own.shape[1], -1, -1)


def _reshaped(source: str, name: str, published: Tensor, own: Tensor) -> Tensor:
    """Return a published weight in the network's shape, or refuse it."""
    if published.dim() == 2 and published.shape == own.flatten(1).shape:
        return published.reshape(own.shape)
    if published.shape != own.shape:
        raise CheckpointError(
            f"model.pretrained={source}: {name} is {tuple(published.shape)} there and {tuple(own.shape)} here;"
            " published weights need model.width=64"
        )
    return published


def _check_names(network: nn.Module, source: str, expected: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> None:
    faults = [f"{name} is missing" for name in expected if name not in stored]
    faults += [f"{type(network).__name__} has no {name}" for name in stored if name not in expected]
    if faults:
        more = f" and {len(faults) - 1} more do not match" if len(faults) > 1 else ""
        raise CheckpointError(f"model.pretrained={source}: weights of another network ({faults[0]}{more})")


def pretrained_digest(source: str) -> str:
    """Return what identifies a source of weights: a file's SHA-256, or the name of published weights.

    Raises:
        CheckpointError: If the file cannot be read.
    """
    if source == "imagenet":
        return source  # one URL, whose content is checked
    try:
        with Path(source).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"model.pretrained={source}: {error.strerror or error}") from error


def _read(source: str, url: str) -> Mapping[str, Tensor]:
    stored: Any
    try:
        if source == "imagenet":
            stored = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
        else:
            path = Path(source)
            # Nothing that it says of itself may take more than it is long.
            with bounded_memory(path.stat().st_size + _MEMORY):
                stored = _read_file(path, f"model.pretrained={source}")
    except (URLError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise CheckpointError(
            f"model.pretrained=imagenet: cannot download {url} ({reason}); download it elsewhere and give its path"
        ) from error
    except OSError as error:
        raise CheckpointError(f"model.pretrained={source}: {error.strerror or error}") from error
    except SegbenchError:
        raise
    except Exception as error:
        line = first_line(error)
        raise CheckpointError(f"model.pretrained={source}: not a weights file ({line})") from error
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise CheckpointError(f"model.pretrained={source}: not a state dict (a flat dict of tensors)")
    return stored


def _read_file(path: Path, key: str) -> Mapping[str, Tensor]:
    if path.suffix == _SAFETENSORS:
        weights: Mapping[str, Tensor] = require("safetensors.torch", "safetensors", key).load(path.read_bytes())
        return weights
    stored: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return stored
