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

import torch
from torch import nn

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
    name = encoder.removeprefix(TIMM)
    stored = part_of(read_weights(source, _published(settings, source) if name == encoder else _of_timm(name, source)))
    # A whole network's encoder has the library's own names, also around timm's.
    if name == encoder or any(key.startswith("model.") for key in stored):
        network = build()
        part: Any = network.encoder
        fit_channels(stored, part.state_dict())
        with _in_one_line(source):
            # It knows how published files call its weights.
            part.load_state_dict(stored)
    else:
        with _in_one_line(source), _faults_refused(source, name):
            network = build(encoder_weights=True, pretrained_cfg_overlay={"state_dict": stored})
    log.info("model.pretrained: loaded %s into %s", source, encoder)
    return network


def _published(settings: Mapping[str, Mapping[str, Any]], source: str) -> dict[str, str]:
    """Return the names of the published weights; only the asked one is looked up, the others are for the message."""
    return {name: _place(**entry) if name == source else "" for name, entry in settings.items()}


def _of_timm(name: str, source: str) -> dict[str, str]:
    hub = getattr(_timm().get_pretrained_cfg(name, allow_unregistered=True), "hf_hub_id", None)
    return _published({"imagenet": {"repo_id": hub}} if hub else {}, source)


def _timm() -> Any:
    return require("timm", "smp", "model=smp")


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


class _Faults(logging.Handler):
    """Keeps which weights timm says that a file lacks, or has too many of: it would leave those at random, or out."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.names: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.match(r"(Missing|Unexpected) keys \(([^)]*)\)", record.getMessage()):
            self.names += [(found[1].lower(), name) for name in found[2].split(", ")]


@contextmanager
def _faults_refused(source: str, name: str) -> Iterator[None]:
    """Refuse what timm only logs, but for the classifier and other layers that an encoder is built without."""
    logger, faults = logging.getLogger("timm.models._builder"), _Faults()
    before = logger.level, logger.propagate
    logger.addHandler(faults)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(faults)
        logger.setLevel(before[0])
        logger.propagate = before[1]
    classifier = getattr(_timm().get_pretrained_cfg(name, allow_unregistered=True), "classifier", None) or ()
    unused = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    found = [(kind, key) for kind, key in faults.names if not key.startswith(unused)]
    if any(kind == "unexpected" for kind, _ in found):
        with torch.random.fork_rng(devices=[]):
            whole = _timm().create_model(name, pretrained=False).state_dict()
        found = [(kind, key) for kind, key in found if kind == "missing" or key not in whole]
    if found:
        raise CheckpointError(f"model.pretrained={source}: weights of another network ({' '.join(found[0]):.200})")
