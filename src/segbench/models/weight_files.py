"""Files of weights to start from: on this machine, or at an address from which they are downloaded once."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import torch
from filelock import FileLock
from torch import Tensor

from segbench.downloading import DownloadError, fetch
from segbench.environment import bounded_memory
from segbench.errors import CheckpointError, SegbenchError
from segbench.installation import require
from segbench.words import first_line, listed

log = logging.getLogger("segbench")
_SAFETENSORS = ".safetensors"
# What reading a file may take beside its size, in bytes.
_MEMORY = 512 * 2**20
# Under which training programs keep the weights beside other things.
_INNER = ("state_dict", "model")


def read_weights(source: str, published: Mapping[str, str]) -> dict[str, Tensor]:
    """Return stored weights by name; nothing in a file is executed.

    Args:
        source: A file, an address (``https://...``), or a name in ``published``. Files are state dicts of torch, alone
            or beside other things as ``state_dict`` or ``model``, or safetensors.
        published: Names of published weights with their addresses, or with files of them. If the name of the file at an
            address ends with the first digits of its SHA-256, as torch's do, they are checked.

    Raises:
        CheckpointError: If they cannot be downloaded or read.
    """
    key, place = f"model.pretrained={source}", published.get(source, source)
    names = f"; published are {listed(sorted(published))}" if published else "; the network has no published ones"
    with _in_one_line(key, names if _is_name(source) else ""):
        path = _downloaded(place, key, source in published) if _is_address(place) else Path(place)
        try:
            # Nothing that it says of itself may take more than it is long.
            with bounded_memory(path.stat().st_size + _MEMORY):
                return _read(path, key)
        except _NoWeightsError:
            # Or it would be taken for what lies at the address for ever. Files of the user's are not ours to delete.
            if _is_address(place):
                path.unlink(missing_ok=True)
            raise


def pretrained_digest(source: str) -> str:
    """Return what identifies a source of weights: a file's SHA-256, or the name of published weights.

    Raises:
        CheckpointError: If the file cannot be downloaded or read.
    """
    key = f"model.pretrained={source}"
    with _in_one_line(key):
        path = _downloaded(source, key, published=False) if _is_address(source) else Path(source)
        if _is_name(source) and not path.is_file():
            return source  # at one address, with one content
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


class _NoWeightsError(CheckpointError):
    """A file holds no weights."""


@contextmanager
def _in_one_line(key: str, hint: str = "") -> Iterator[None]:
    """Refuse a file or a store that cannot be read or written, and what is neither a path nor an address."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{key}: {error.strerror or error}{hint}") from error
    except ValueError as error:
        raise CheckpointError(f"{key}: {error}") from error


def _is_address(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


def _is_name(source: str) -> bool:
    """Say whether it may be a name of published weights."""
    return re.fullmatch(r"[\w+-]+", source) is not None


def _downloaded(url: str, key: str, published: bool) -> Path:
    """Return the local copy of what lies at an address; it is complete, or there is none."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name or "weights"
    digits = re.search(r"-([0-9a-f]{8,64})\.", name) if published else None
    # Files whose names say what they hold lie where torch keeps them too, others by their address.
    path = _store() / ("" if digits else hashlib.sha256(url.encode()).hexdigest()[:12]) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # Jobs of a sweep start together: one downloads, the others wait.
    with FileLock(_store() / ".segbench.lock"):
        if not path.exists():
            log.info("%s: downloading%s", key, f" {url}" if published else "")
            content = _fetched(url, key, digits[1] if digits else "", published)
            part = path.with_name(f".{name}.part")
            part.write_bytes(content)
            part.replace(path)
    return path


def _fetched(url: str, key: str, digits: str, published: bool) -> bytes:
    """Return what lies at an address; its SHA-256 must begin with these digits."""
    try:
        content = fetch(url)
    except DownloadError as error:
        what = url if published else "it"
        raise CheckpointError(f"{key}: cannot download {what} ({error}); get the file and give its path") from error
    if not (found := hashlib.sha256(content).hexdigest()).startswith(digits):
        raise CheckpointError(f"{key}: {url} has the SHA-256 {found[: len(digits)]}, not {digits}")
    return content


def _store() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _read(path: Path, key: str) -> dict[str, Tensor]:
    try:
        if path.suffix == _SAFETENSORS:
            library = require("safetensors.torch", "safetensors", key)
            stored: Any = library.load(path.read_bytes())
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SegbenchError):
        raise
    except Exception as error:
        raise _NoWeightsError(f"{key}: not a weights file ({first_line(error):.200})") from error
    for name in _INNER:
        if isinstance(stored, dict) and isinstance(stored.get(name), dict):
            stored = stored[name]
    if not isinstance(stored, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in stored.items()
    ):
        raise _NoWeightsError(f"{key}: not a state dict (a flat dict of tensors)")
    return dict(stored)
