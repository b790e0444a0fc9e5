"""Files that mean something are whole or absent: written beside their target, synced, then renamed.

The temporary file lies in the target's own folder because a rename is atomic only within one file system.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from segbench.runs import bounded

TEMPORARY_SUFFIX = ".partial"
# Seconds without a write, after which a writer on another machine is taken for dead too.
ABANDONED = 3600
# Bytes of a file name.
MAX_NAME = 255


@contextmanager
def atomic_open(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that replaces ``path`` only if the block ends without an exception.

    Args:
        path: The target. An existing file stays untouched until the new one is complete and on disk.

    Raises:
        OSError: If the folder cannot be written or the disk is full; the temporary file is removed.
    """
    ending = f".{os.getpid()}{TEMPORARY_SUFFIX}"
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


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, indented for reading; numbers that are not finite become ``null``."""
    write_text(path, json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object; None if the file is missing, damaged or holds anything else."""
    try:
        value = bounded.read_json(path, bounded.TABLE)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def sweep_abandoned(folder: Path) -> None:
    """Remove the temporaries beside runs, which many processes write, whose writer is gone for an hour or more."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        writer = leftover.name.removesuffix(TEMPORARY_SUFFIX).rpartition(".")[2]
        with suppress(OSError):
            old = time.time() - leftover.lstat().st_mtime > ABANDONED
            # A number may have been given to another process since, and is then left for later.
            if old and writer.isdecimal() and not _is_running(int(writer)):
                leftover.unlink()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def sweep_temporaries(folder: Path) -> None:
    """Remove the temporaries that killed writers left in ``folder`` (only names this module makes)."""
    for leftover in folder.rglob(f".*{TEMPORARY_SUFFIX}"):
        leftover.unlink(missing_ok=True)
