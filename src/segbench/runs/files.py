"""Files that mean something are whole or absent: written beside their target, synced, then renamed.

The temporary file lies in the target's own folder because a rename is atomic only within one file system.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from omegaconf import OmegaConf

from segbench.runs import bounded

TEMPORARY_SUFFIX = ".partial"
# Bytes of a file name.
MAX_NAME = 255


@contextmanager
def atomic_open(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that replaces ``path`` only if the block ends without an exception.

    Args:
        path: The target. An existing file stays untouched until the new one is complete and on disk.

    Raises:
        OSError: If the folder cannot be written or the disk is full; it has a ``filename``, and the temporary file is
            removed.
    """
    ending = f".{_machine()}-{os.getpid()}{TEMPORARY_SUFFIX}"
    temporary = path.with_name(f".{shortened(path.name, len(ending) + 1)}{ending}")
    try:
        # Not what may lie there: a link would lead elsewhere.
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        # A write that finds the disk full does not know its file.
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def shortened(name: str, reserve: int) -> str:
    """Return a file name that leaves room for ``reserve`` more bytes; a cut one ends in a hash of the whole.

    File systems allow 255 bytes.
    """
    content = os.fsencode(name)
    if len(content) + reserve <= MAX_NAME:
        return name
    mark = f"-{hashlib.blake2b(content, digest_size=8).hexdigest()}"
    # Half a character is left out.
    return content[: MAX_NAME - reserve - len(mark)].decode(errors="ignore") + mark


def sync_directory(folder: Path) -> None:
    """Put the folder's entries on disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically (UTF-8)."""
    with atomic_open(path) as stream:
        stream.write(text.encode())


def write_yaml(path: Path, value: dict[str, Any]) -> None:
    """Write plain types as a YAML file, atomically, between :data:`bounded.YAML_START` and its end."""
    write_text(path, bounded.YAML_START + OmegaConf.to_yaml(OmegaConf.create(value)) + bounded.YAML_END)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, indented for reading; numbers that are not finite become ``null``."""
    write_text(path, json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, largest: int = bounded.TABLE) -> dict[str, Any] | None:
    """Return a JSON object; None if the file is missing, damaged, larger or holds anything else."""
    try:
        value = bounded.read_json(path, largest)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def sweep_temporaries(folder: Path) -> None:
    """Remove the temporaries in a folder that nobody else writes into, and below (only names this module makes)."""
    for leftover in folder.rglob(f".*{TEMPORARY_SUFFIX}"):
        leftover.unlink(missing_ok=True)


def sweep_abandoned(folder: Path) -> None:
    """Remove the temporaries that killed writers of this machine left in a folder that others may be writing into."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        machine, _, writer = leftover.stem.rpartition(".")[2].partition("-")
        if machine == _machine() and writer.isdigit() and not _is_running(int(writer)):
            leftover.unlink(missing_ok=True)


@cache
def _machine() -> str:
    """Return what stands for this machine, and on Linux the container, in which process numbers mean something."""
    space = Path("/proc/self/ns/pid")
    text = f"{socket.gethostname()} {space.readlink() if space.is_symlink() else ''}"
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
