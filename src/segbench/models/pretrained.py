"""Published weights: from their official address or a local file into our own modules."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

from segbench.errors import CheckpointError

log = logging.getLogger("segbench")


def load_pretrained(
    network: nn.Module, source: str | None, url: str, first: str, drop: Collection[str] = ("fc.weight", "fc.bias")
) -> None:
    """Fill a backbone with published weights; without a source it keeps its random ones.

    A first convolution of other than 3 channels gets the mean over the published colours, scaled so that an image
    with equal channels gives the published response.

    Args:
        network: The backbone, with the published names and shapes.
        source: ``imagenet`` (fetched from ``url`` once and kept by torch), a file with a state dict, or None.
        url: Official address; the file name ends with the first digits of the SHA-256, which is checked.
        first: Name of the first convolution's weight.
        drop: Published weights that the backbone has no use for (the classifier).

    Raises:
        CheckpointError: If the weights cannot be had or read, or are those of another network.
    """
    if source is None:
        return
    stored = {name: value for name, value in _read(source, url).items() if name not in drop}
    expected = network.state_dict()
    # Files from before torch 0.4.1 lack these counters, which plain batch normalisation never reads.
    for name in expected.keys() - stored.keys():
        if name.endswith("num_batches_tracked"):
            stored[name] = expected[name]
    if first in stored and stored[first].dim() == 4 and stored[first].shape[1] != expected[first].shape[1]:
        channels = expected[first].shape[1]
        published = stored[first]
        stored[first] = published.mean(dim=1, keepdim=True).expand(-1, channels, -1, -1) * (
            published.shape[1] / channels
        )
    unmatched = sorted(expected.keys() ^ stored.keys())
    if unmatched:
        raise CheckpointError(
            f"model.pretrained={source}: weights of another network ({unmatched[0]} and {len(unmatched) - 1} more do"
            f" not match {type(network).__name__})"
        )
    for name, value in expected.items():
        if stored[name].shape != value.shape:
            raise CheckpointError(
                f"model.pretrained={source}: {name} is {tuple(stored[name].shape)} there and {tuple(value.shape)} here;"
                " published weights need model.width=64"
            )
    network.load_state_dict(stored)
    log.info("model.pretrained: %s has the weights of %s", type(network).__name__, source)


def pretrained_digest(source: str) -> str:
    """Return what tells one source of weights from another: a file's SHA-256, or the name of published ones.

    Raises:
        CheckpointError: If the file cannot be read.
    """
    if source == "imagenet":
        return source  # one address, whose content is checked
    try:
        with Path(source).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"model.pretrained={source}: {error.strerror or error}") from error


def _read(source: str, url: str) -> Mapping[str, Tensor]:
    try:
        if source == "imagenet":
            stored = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
        else:
            stored = torch.load(Path(source), map_location="cpu", weights_only=True)
    except (URLError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise CheckpointError(
            f"model.pretrained=imagenet: cannot fetch {url} ({reason}); download it and give the file's path"
        ) from error
    except OSError as error:
        raise CheckpointError(f"model.pretrained={source}: {error.strerror or error}") from error
    except Exception as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"model.pretrained={source}: not a file of weights ({line})") from error
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise CheckpointError(f"model.pretrained={source}: not a state dict (a flat dict of tensors)")
    return stored
