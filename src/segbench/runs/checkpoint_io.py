"""Checkpoints that are whole, verified and safe to load.

``torch.load`` notices no flipped bit and Lightning's own writer is atomic only on the file system of ``TMPDIR``.
Here a checkpoint is written beside its target, synced and renamed, and its SHA-256 is entered in
``manifest.json`` before the rename: whatever the name, a file is good exactly if its digest is listed.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import IO, Any

import torch
from lightning_fabric.plugins import CheckpointIO

from segbench.errors import CheckpointError
from segbench.runs.files import atomic_open, read_json, write_json
from segbench.words import first_line

log = logging.getLogger("segbench")

MANIFEST = "manifest.json"
BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"
_REMEMBERED = 3


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
        try:
            with atomic_open(path) as stream:
                digest = _HashingWriter(stream)
                torch.save(checkpoint, digest)  # type: ignore[arg-type]  # all that it calls is write and flush
                stream.flush()
                os.fsync(stream.fileno())
                _remember(path.parent, digest.hexdigest(), path.name)
                if path.name == LAST and path.exists():
                    path.replace(path.with_name(PREVIOUS))
        except RuntimeError as error:
            # torch's zip writer hides the operating system's reason behind an assertion of its own.
            raise OSError(f"cannot write {path}: {_first_line(error)}") from error

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


def load_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Load a checkpoint file, verified; one that lies outside a run directory may have no manifest beside it.

    Args:
        path: The file.
        map_location: As in :func:`torch.load`.

    Raises:
        CheckpointError: If the file is missing, damaged, or not a checkpoint of plain types; or if it cannot be
            verified because its run's manifest is missing or damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    known = _known_digests(path.parent)
    if known is not None and file_digest(path) not in known:
        raise CheckpointError(
            f"{path}: damaged (its SHA-256 is not in {MANIFEST}); train its run again with rerun=true"
        )
    if known is None:
        if (path.parent / MANIFEST).exists() or (path.parent.parent / "run.json").exists():
            raise CheckpointError(f"{_no_manifest(path.parent)}; train its run again with rerun=true")
        log.warning("%s: not verified, as no %s lies beside it", path, MANIFEST)
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path}: not a loadable checkpoint ({_first_line(error)})") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path}: not a checkpoint (no state_dict)")
    return checkpoint


def newest_good(folder: Path) -> tuple[Path | None, list[str]]:
    """Find the checkpoint to resume from.

    Args:
        folder: The run's checkpoint folder.

    Returns:
        The newest of ``last.ckpt`` and ``previous.ckpt`` that verifies (None if there is none), and one line
        for each that was refused.
    """
    known = _known_digests(folder)
    refused: list[str] = []
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.is_file():
            continue
        if known is None:
            return None, [_no_manifest(folder)]
        try:
            if file_digest(path) in known:
                return path, refused
            refused.append(f"{path}: damaged, not used")
        except CheckpointError as error:
            refused.append(f"{error}, not used")
    return None, refused


def _remember(folder: Path, digest: str, name: str) -> None:
    listed = _listed(folder) or {}
    # More than one a name: after a kill between this line and the rename the older file is still the good one.
    listed[name] = [*(known for known in listed.get(name, []) if known != digest), digest][-_REMEMBERED:]
    write_json(folder / MANIFEST, listed)


def _known_digests(folder: Path) -> set[str] | None:
    listed = _listed(folder)
    return None if listed is None else {digest for digests in listed.values() for digest in digests}


def _listed(folder: Path) -> dict[str, list[str]] | None:
    """Return the manifest; None if it is missing, damaged, or JSON of another shape."""
    listed = read_json(folder / MANIFEST)
    whole = isinstance(listed, dict) and all(isinstance(digests, list) for digests in listed.values())
    return listed if whole else None


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


def _first_line(error: Exception) -> str:
    return first_line(error)


class _HashingWriter:
    """A file object that digests what passes through it; ``torch.save`` writes its zip sequentially."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
