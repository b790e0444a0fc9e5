"""Decoded, resized arrays on disk: built once under a lock, memory-mapped, rebuilt when damaged.

Building is also the integrity check: every file is read completely, and all faults are reported together. It holds a
few records at a time, however large the data set; only images of differing sizes are all kept in memory. One that is
killed is gone on with.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from segbench.data.building import (
    MANIFEST,
    PARTIAL,
    Pair,
    ReadPair,
    build,
    checksums_in_memory,
    checksums_of,
    distinct_faults,
    manifest_of,
    read_each,
    reading_threads,
)
from segbench.data.records import Record
from segbench.runs.files import read_json
from segbench.targets import own_modules

log = logging.getLogger("segbench")

# Increment when the meaning of the stored arrays changes.
_VERSION = 1
_OUTDATED = "by other code than yours is now"


@dataclass
class Arrays:
    """Images (N,H,W,C) and targets in the order of the records, memory-mapped if cached.

    Targets are masks uint8 (N,H,W), or labels uint8 (N,). Images of several sizes (``data.size=null``) and their masks
    are lists of arrays.
    """

    images: Any
    targets: Any
    folder: Path | None = None
    table: NDArray[np.uint8] | None = None

    def checksums(self) -> dict[str, int]:
        """Return the checksums of what is stored, the same in memory as of a cache, whose arrays are not read again."""
        known = {} if self.folder is None else read_json(self.folder / MANIFEST) or {}
        # Of a cache that another process has removed since, the arrays are still mapped.
        return known.get("crc32") or checksums_in_memory(self.images, self.targets)

    def translated(self, table: NDArray[np.uint8]) -> Arrays:
        """Return the same arrays with targets looked up in a table, uint8 (256,), when they are accessed.

        One cache thus serves every choice of what is learned from the stored targets.
        """
        return Arrays(self.images, Translated(self.targets, table), self.folder, table)

    def __getstate__(self) -> dict[str, Any]:
        # A worker opens the maps itself; pickling the arrays would copy the whole data set.
        return {"folder": self.folder, "table": self.table} if self.folder else self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.folder:
            self.images, self.targets = _open_maps(self.folder)
            self.targets = self.targets if self.table is None else Translated(self.targets, self.table)


@dataclass(frozen=True)
class Translated:
    """Targets looked up in a table when they are accessed.

    Attributes:
        targets: The stored targets: an array, or a list of arrays, of uint8.
        table: uint8 (256,).
    """

    targets: Any
    table: NDArray[np.uint8]

    def __getitem__(self, place: Any) -> NDArray[np.uint8]:
        return self.table[np.asarray(self.targets[place])]

    def __len__(self) -> int:
        return len(self.targets)


def content_digest(checksums: dict[str, int], records: Sequence[Record], settings: dict[str, Any]) -> str:
    """Digest what the arrays hold, wherever the files lie and however old they are.

    Args:
        checksums: The arrays' (:meth:`Arrays.checksums`).
        records: Their records, of which ids and groups count.
        settings: Plain values, which the arrays depend on.

    Returns:
        32 hexadecimal digits.
    """
    known = [_VERSION, settings, manifest_of(checksums, records, {})]
    return hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=16).hexdigest()


def cached_checksums(records: Sequence[Record], key: str, cache_dir: Path, *makers: type) -> dict[str, int] | None:
    """Return the checksums that a cache names, without reading its arrays; None where it is missing or outdated.

    Args:
        records: The records.
        key: Their :func:`fingerprint`.
        cache_dir: Folder of all caches.
        makers: As :func:`load_arrays` is given.
    """
    manifest = read_json(cache_dir / key / MANIFEST)
    found = manifest.get("crc32") if isinstance(manifest, dict) else None
    return found if found and manifest == manifest_of(found, records, _code_of(makers)) else None


def fingerprint(records: Sequence[Record], settings: dict[str, Any]) -> str:
    """Digest what the arrays depend on: names, sizes and times of the files, and the settings.

    It is known before any file is decoded, and names the cache; :func:`content_digest` tells data apart.

    Args:
        records: The records.
        settings: Plain values.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(json.dumps([_VERSION, settings], sort_keys=True).encode(), digest_size=16)
    for record in records:
        digest.update(f"\n{record.id}\t{record.group}".encode())
        for path in (record.image, record.mask, *record.files):
            if path is not None:
                stat = path.stat()
                digest.update(f"\t{path.name}\t{stat.st_size}\t{stat.st_mtime_ns}".encode())
    return digest.hexdigest()


def first_key(key: str, cache_dir: Path) -> str:
    """Return the key of the oldest cache with the same content: its files may have been copied or touched since.

    Only by this are runs known again that were trained before :func:`content_digest` was recorded.

    Args:
        key: A :func:`fingerprint`; returned as it is if nothing is cached under it.
        cache_dir: Folder of all caches.
    """
    manifest = read_json(cache_dir / key / MANIFEST)
    if not isinstance(manifest, dict):
        return key
    ages = {}
    for path in cache_dir.glob(f"*/{MANIFEST}"):
        # Of a cache that is being built, the name is about to change.
        if path.parent.suffix != PARTIAL and read_json(path) == manifest:
            ages[path.stat().st_mtime_ns, path.parent.name] = path.parent.name
    return ages[min(ages)]


def load_arrays(
    records: Sequence[Record], key: str, cache_dir: Path, read: ReadPair, *makers: type, at_once: bool = False
) -> tuple[Arrays, list[str]]:
    """Open the cached arrays of these records, building them if they are missing, damaged or by code that has changed.

    Args:
        records: The records.
        key: Their :func:`fingerprint`.
        cache_dir: Folder of all caches.
        read: Returns one record as it is to be stored; raises DataError if a file is unusable.
        makers: The classes that it is of. If they are the user's own, what they have made is kept only for as long as
            their files, and those of their bases, stay as they are.
        at_once: Whether several threads may call ``read`` at a time.

    Returns:
        The arrays, and a one-line fault for each file that could not be read (the arrays are then meaningless).
    """
    read_all = partial(read_each, read=read, threads=reading_threads() if at_once else 1)
    folder, code = cache_dir / key, _code_of(makers)
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _locked(cache_dir / f"{key}.lock"):
            if folder.exists():
                if _is_whole(folder, records, code):
                    return Arrays(*_open_maps(folder), folder), []
                made_by = (read_json(folder / MANIFEST) or {}).get("code", {})
                log.warning("cache %s is %s; rebuilding it", folder, "damaged" if made_by == code else _OUTDATED)
                shutil.rmtree(folder)
            held, faults = build(records, folder, read_all, code)
            return (Arrays(*_open_maps(folder), folder), []) if held is None and not faults else _held(held, faults)
    except OSError as error:
        log.warning("cache %s cannot be written (%s); the data is kept in memory", cache_dir, error.strerror or error)
        found: list[str] = []
        pairs = list(read_all(records, found))
        return _held(pairs, distinct_faults(found))


def _code_of(makers: Sequence[type]) -> dict[str, str]:
    return own_modules(cls for maker in makers for cls in maker.__mro__)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock, and say that it is waited for where another process has it: building may take long."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info("waiting for another process that checks and caches the same data")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _held(pairs: list[Pair] | None, faults: list[str]) -> tuple[Arrays, list[str]]:
    return Arrays([], []) if faults or pairs is None else _in_memory(pairs), faults


def _in_memory(pairs: list[Pair]) -> Arrays:
    images, masks = [image for image, _ in pairs], [mask for _, mask in pairs]
    if len({image.shape for image in images}) == 1:
        return Arrays(np.stack(images), np.stack(masks))
    return Arrays(images, masks)


def _open_maps(folder: Path) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    images, masks = (np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("images", "masks"))
    return images, masks


def _is_whole(folder: Path, records: Sequence[Record], code: dict[str, str]) -> bool:
    manifest = read_json(folder / MANIFEST)
    try:
        # The whole manifest is compared: a damaged one may still be JSON, of any shape.
        return bool(manifest == manifest_of(checksums_of(folder), records, code))
    except (OSError, ValueError):
        return False
