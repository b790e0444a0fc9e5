"""Weights for the encoders of segmentation_models.pytorch: published ones, a file, or an address.

The library and timm fetch published weights by themselves, but offline they try for up to a minute and say so in
dozens of lines. Here the same files are fetched by :mod:`segbench.models.weight_files`, unless they lie in the hub's
own store.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from segbench.errors import CheckpointError
from segbench.installation import require
from segbench.models.pretrained import fit_channels, part_of
from segbench.models.weight_files import read_weights

log = logging.getLogger("segbench")
# The library's name for encoders of timm.
TIMM = "tu-"
# How each published file is called.
_FILE = "model.safetensors"


def build_with_weights(
    build: Callable[..., nn.Module], encoder: str, settings: Mapping[str, Mapping[str, Any]], source: str
) -> nn.Module:
    """Return a network of the library whose encoder starts from weights.

    Args:
        build: Makes the network, given ``encoder_weights`` and further arguments.
        encoder: Name of its encoder.
        settings: Published weights of the library's own encoders by name: ``repo_id`` and ``revision`` on the hub.
        source: See :func:`segbench.models.weight_files.read_weights`; of timm's encoders ``imagenet`` are the published
            ones, those that the encoder's name says or its usual ones.

    Raises:
        CheckpointError: If the weights cannot be downloaded or read, or belong to another encoder.
    """
    if encoder.startswith(TIMM):
        timm = require("timm", "smp", "model=smp")
        published = timm.get_pretrained_cfg(encoder.removeprefix(TIMM), allow_unregistered=True)
        stored = _timm_weights(published, source)
        with _in_one_line(source), _missing_refused(source, getattr(published, "classifier", None)):
            network = build(encoder_weights=True, pretrained_cfg_overlay={"state_dict": stored})
    else:
        # Only the one that is asked for is looked up; the others are for the message.
        places = {name: _place(**entry) if name == source else "" for name, entry in settings.items()}
        stored, network = part_of(read_weights(source, places)), build()
        part: Any = network.encoder
        fit_channels(stored, part.state_dict())
        with _in_one_line(source):
            # It knows how published files call its weights.
            part.load_state_dict(stored)
    log.info("model.pretrained: loaded %s into %s", source, encoder)
    return network


def _timm_weights(published: Any, source: str) -> dict[str, Tensor]:
    hub = getattr(published, "hf_hub_id", None)
    stored = part_of(read_weights(source, {"imagenet": _place(hub) if source == "imagenet" else ""} if hub else {}))
    # As the library calls timm's network.
    return {key.removeprefix("model."): value for key, value in stored.items()}


def _place(repo_id: str, revision: str | None = None, **other: Any) -> str:
    """Return where a published file lies: in the hub's own store on this machine, or at its address."""
    hub = require("huggingface_hub", "smp", "model=smp")
    kept = hub.try_to_load_from_cache(repo_id, _FILE, revision=revision)
    found: str = kept if isinstance(kept, str) else hub.hf_hub_url(repo_id, _FILE, revision=revision)
    return found


@contextmanager
def _in_one_line(source: str) -> Iterator[None]:
    """Shorten what torch says, on many lines, of weights that do not fit."""
    try:
        yield
    except RuntimeError as error:
        faults = re.findall(
            r'(?:Missing|Unexpected) key\(s\) in state_dict: "[^"]+"|size mismatch for [^:]+', str(error)
        )
        what = faults[0].replace(" key(s) in state_dict: ", " ").lower() if faults else str(error).partition("\n")[0]
        raise CheckpointError(f"model.pretrained={source}: weights of another network ({what:.200})") from error


class _Missing(logging.Handler):
    """Keeps which weights timm says that a file lacks: it would leave those at random."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.names: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.match(r"Missing keys \(([^)]*)\)", record.getMessage()):
            self.names += found[1].split(", ")


@contextmanager
def _missing_refused(source: str, classifier: str | tuple[str, ...] | None) -> Iterator[None]:
    """Refuse what timm only logs; the classifier's weights, which it drops itself, are no loss."""
    logger, missing = logging.getLogger("timm.models._builder"), _Missing()
    before = logger.level, logger.propagate
    logger.addHandler(missing)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(missing)
        logger.setLevel(before[0])
        logger.propagate = before[1]
    unused = () if classifier is None else (classifier,) if isinstance(classifier, str) else tuple(classifier)
    if names := [name for name in missing.names if not name.startswith(unused)]:
        raise CheckpointError(f"model.pretrained={source}: weights of another network ({names[0]} is missing)")
