"""Checkpoints that are whole, verified, of their own run and safe to load.

``torch.load`` notices no flipped bit and Lightning's own writer is atomic only on the file system of ``TMPDIR``.
Here a checkpoint is written beside its target, synced and renamed, and its SHA-256 is entered in
``manifest.json`` before the rename: a file is good exactly if its digest is listed for its name.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import torch
from lightning_fabric.plugins import CheckpointIO
from torch import Tensor

from segbench.environment import bounded_memory, memory_bytes
from segbench.errors import CheckpointError
from segbench.runs.bounded import MEGA, TEXT
from segbench.runs.files import atomic_open, read_json, write_json
from segbench.words import first_line

log = logging.getLogger("segbench")

MANIFEST = "manifest.json"
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
_REMEMBERED = 3
# What reading a checkpoint may take beside its size: a few bytes of it may ask for any memory.
_MEMORY = 512 * MEGA


class VerifiedCheckpointIO(CheckpointIO):
    """Lightning plugin that saves atomically with a digest and loads only what verifies.

    Saving over ``last.ckpt`` keeps the older file as ``previous.ckpt``, so two are always there to resume from.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write ``checkpoint`` to ``path``.

        Raises:
            OSError: If the disk is full or the folder cannot be written; older checkpoints stay as they were.
        """
        path = Path(path)
        with atomic_open(path) as stream:
            writer = _HashingWriter(stream)
            # torch writes five small pieces for every tensor.
            buffered = io.BufferedWriter(writer, MEGA)
            try:
                torch.save(checkpoint, buffered)
                buffered.flush()
            except (OSError, RuntimeError) as error:
                # torch's zip writer hides the operating system's reason behind an assertion of its own. Without one
                # it is another error, such as the death of a loader's worker, which is raised wherever it is noticed.
                if writer.failure is None:
                    raise
                raise OSError(writer.failure.errno, writer.failure.strerror, str(path)) from error
            stream.flush()
            os.fsync(stream.fileno())
            _remember(path.parent, writer.hexdigest(), path.name)
            if path.name == LAST and path.exists():
                path.replace(path.with_name(PREVIOUS))

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Load a checkpoint after verifying its digest, plain types only (``weights_only=True``).

        Raises:
            CheckpointError: If the file is missing, damaged, or holds anything but tensors and plain types.
        """
        return load_checkpoint(Path(path), map_location or "cpu")

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint file."""
        Path(path).unlink(missing_ok=True)


def load_checkpoint(path: Path, map_location: Any = "cpu", run: str | None = None) -> dict[str, Any]:
    """Load a checkpoint file, verified; one that lies outside a run directory may have no manifest beside it.

    Nothing in it is executed or imported, and it takes no more memory than the file is long.

    Args:
        path: The file.
        map_location: As in :func:`torch.load`.
        run: The identity of the run that it must belong to; None for a checkpoint of any run.

    Raises:
        CheckpointError: If the file is missing, damaged, of another run, or not a checkpoint of plain types; or if it
            cannot be verified because its run's manifest is missing or damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    if (size := path.stat().st_size) > memory_bytes():
        # A file with holes is long at no cost, and would be digested for hours.
        raise CheckpointError(f"{path}: has {size:,} bytes, which no memory of this machine can hold")
    listed = _listed(path.parent)
    if listed is not None and file_digest(path) not in _digests(listed, path.name):
        raise CheckpointError(
            f"{path}: damaged (its SHA-256 is not that of its name in {MANIFEST}); train its run again with rerun=true"
        )
    if listed is None:
        if (path.parent / MANIFEST).exists() or (path.parent.parent / "run.json").exists():
            raise CheckpointError(f"{_no_manifest(path.parent)}; train its run again with rerun=true")
        log.warning("%s: not verified, as no %s lies beside it", path, MANIFEST)
    checkpoint = _read(path, map_location=map_location)
    if run is not None and (other := run_of(checkpoint)) != run:
        raise CheckpointError(f"{path}: {_foreign(other)}; train this run again with rerun=true")
    return checkpoint


def run_of(checkpoint: dict[str, Any]) -> str | None:
    """Return the identity of the run that a checkpoint says it belongs to; None if it does not say."""
    known = checkpoint.get("segbench")
    found = known.get("run") if isinstance(known, dict) else None
    return found if isinstance(found, str) else None


def network_weights(checkpoint: dict[str, Any], place: str) -> dict[str, Tensor]:
    """Return the network's weights from a checkpoint, by their names in the network.

    Args:
        checkpoint: From :func:`load_checkpoint`.
        place: The file, or what names it, for the message.

    Raises:
        CheckpointError: If there are none, or anything is no dense tensor of finite numbers.
    """
    prefix, stored = "network.", checkpoint["state_dict"]
    found = {name[len(prefix) :]: value for name, value in stored.items() if str(name).startswith(prefix)}
    return checked_weights(found, place)


def checked_weights(found: dict[str, Tensor], place: str) -> dict[str, Tensor]:
    """Return weights that a file holds, if a network can have them.

    Args:
        found: The weights by name.
        place: The file, or what names it, for the message.

    Raises:
        CheckpointError: If there are none, or anything is no dense tensor of finite numbers.
    """
    if not found:
        raise CheckpointError(f"{place}: holds no weights of a network")
    for name, value in found.items():
        if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise CheckpointError(f"{place}: weight {name:.200} is no dense array of numbers")
        # Of numbers stored once and repeated there may be more than memory holds.
        if value.numel() > value.untyped_storage().nbytes():
            raise CheckpointError(f"{place}: weight {name:.200} is larger than what is stored of it")
        if not torch.isfinite(value).all():
            raise CheckpointError(f"{place}: weight {name:.200} is not finite; train its run again with rerun=true")
    return found


def newest_good(folder: Path, run: str | None = None) -> tuple[Path | None, list[str]]:
    """Find the checkpoint to resume from.

    Args:
        folder: The run's checkpoint folder.
        run: The run's identity; None for checkpoints of any run.

    Returns:
        The newest of ``last.ckpt`` and ``previous.ckpt`` that verifies (None if there is none), and one line
        for each that was refused.
    """
    listed = _listed(folder)
    refused: list[str] = []
    for path in (folder / LAST, folder / PREVIOUS):
        if not os.path.lexists(path):
            continue
        if listed is None:
            return None, [_no_manifest(folder)]
        if (fault := _fault(path, _digests(listed, path.name), run)) is None:
            return path, refused
        refused.append(f"{fault}, not used")
    return None, refused


def _fault(path: Path, digests: Collection[str], run: str | None) -> str | None:
    """Return why a run cannot go on from a file; None if it can."""
    try:
        if not path.is_file() or file_digest(path) not in digests:
            return f"{path}: damaged"
        # The weights stay on disk until they are asked for.
        checkpoint = _read(path, map_location="cpu", mmap=True)
    except CheckpointError as error:
        return str(error)
    if run is not None and (other := run_of(checkpoint)) != run:
        return f"{path}: {_foreign(other)}"
    return None if "optimizer_states" in checkpoint else f"{path}: holds weights alone"


def _read(path: Path, **options: Any) -> dict[str, Any]:
    """Load tensors and plain types, never code, from an archive that does not unpack to more than it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        size = path.stat().st_size
        if any(member.compress_type for member in members) or sum(member.file_size for member in members) > size:
            raise ValueError("it is compressed")
        with bounded_memory(size + _MEMORY):
            checkpoint = torch.load(path, weights_only=True, **options)
    except pickle.UnpicklingError as error:
        # torch's own words advise to load it all the same.
        reason = "something in it is neither a tensor nor a plain value"
        raise CheckpointError(f"{path}: not a loadable checkpoint ({reason})") from error
    except Exception as error:
        raise CheckpointError(f"{path}: not a loadable checkpoint ({first_line(error):.200})") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise CheckpointError(f"{path}: not a checkpoint (no state_dict)")
    return checkpoint


def _foreign(other: str | None) -> str:
    return "says of no run that it belongs to it" if other is None else f"belongs to another run ({other!a:.40})"


def _remember(folder: Path, digest: str, name: str) -> None:
    listed = _listed(folder) or {}
    # More than one a name: after a kill between this line and the rename the older file is still the good one.
    listed[name] = [*(known for known in listed.get(name, []) if known != digest), digest][-_REMEMBERED:]
    write_json(folder / MANIFEST, listed)


def _digests(listed: dict[str, list[str]], name: str) -> list[str]:
    """Return the digests that a file of this name may have; previous.ckpt has been last.ckpt."""
    return listed.get(LAST if name == PREVIOUS else name, [])


def _listed(folder: Path) -> dict[str, list[str]] | None:
    """Return the manifest; None if it is missing, damaged, or JSON of another shape."""
    listed = read_json(folder / MANIFEST, TEXT)
    if listed is None or not all(isinstance(digests, list) for digests in listed.values()):
        return None
    return listed if all(isinstance(digest, str) for digests in listed.values() for digest in digests) else None


def _no_manifest(folder: Path) -> str:
    return f"{folder / MANIFEST}: missing or damaged, so no checkpoint can be verified"


def file_digest(path: Path) -> str:
    """Return a file's SHA-256, as the manifest lists it.

    Raises:
        CheckpointError: If the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error


class _HashingWriter(io.RawIOBase):
    """A raw file object that digests what passes through it; ``torch.save`` writes its zip sequentially.

    Attributes:
        failure: Why the file could not be written, if it could not.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.failure: OSError | None = None

    def writable(self) -> bool:
        """Say that this can be written."""
        return True

    def write(self, data: Any) -> int:
        """Digest and write all of some bytes."""
        self._hash.update(data)
        try:
            return self._stream.write(data)
        except OSError as error:
            self.failure = error
            raise

    def hexdigest(self) -> str:
        """Return the digest of what has been written."""
        return self._hash.hexdigest()
