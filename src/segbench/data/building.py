"""Building a cache: records read by several threads, written in their order, gone on with after a kill."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.in_turn import in_turn
from segbench.data.records import Record, unreadable
from segbench.data.stack_file import StackFile, checksum
from segbench.environment import usable_cores
from segbench.errors import DataError
from segbench.runs.files import read_json, write_json
from segbench.terminal import tracked
from segbench.words import plural

log = logging.getLogger("segbench")

Pair = tuple[NDArray[Any], NDArray[np.uint8]]
ReadPair = Callable[[Record], Pair]
ReadAll = Callable[[Sequence[Record], list[str]], Iterator[Pair]]
# Its name until it is whole ends so.
MANIFEST, PARTIAL = "manifest.json", ".partial"
_FILES = ("images.npy", "masks.npy")
# How far a build has come, beside what it has written; noted every so many seconds.
_PROGRESS, _SECONDS = "progress.json", 5.0
# More seldom read faster, and each holds two images.
_MOST_READERS = 8


def reading_threads() -> int:
    """Return how many threads read records."""
    return min(usable_cores(), _MOST_READERS)


def build(
    records: Sequence[Record], folder: Path, read: ReadAll, code: dict[str, str]
) -> tuple[list[Pair] | None, list[str]]:
    """Build the cache of some records in a folder, behind what a killed builder has left of it.

    Returns:
        All pairs where they do not fit an array, else None; and a one-line fault for each unusable file. With either
        there is no folder.
    """
    # Only the holder of the lock gets here, so a leftover of the same name belongs to a killed builder.
    temporary = folder.with_name(f"{folder.name}{PARTIAL}")
    if not (kept := _kept(temporary, records, code)):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
    else:
        log.info("cache %s: going on behind the %s that an earlier build has read", folder, plural(kept, "image"))
    try:
        held, faults, checksums = _write(records, temporary, read, code, kept)
        if faults or held is not None:
            shutil.rmtree(temporary, ignore_errors=True)
            return held, faults
        write_json(temporary / MANIFEST, manifest_of(checksums, records, code))
        (temporary / _PROGRESS).unlink(missing_ok=True)
        temporary.rename(folder)
    except Exception:
        # Not of an interruption, behind which the next build goes on.
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return None, []


def _kept(folder: Path, records: Sequence[Record], code: dict[str, str]) -> int:
    """Return how many records a killed builder of the same records has left whole; 0 where that is not sure."""
    known = read_json(folder / _PROGRESS) or {}
    try:
        written = known["written"]
        if type(written) is not int or not 0 < written <= len(records):
            return 0
        checksums = {}
        for name in _FILES:
            with StackFile(folder / name, len(records), written) as stack:
                checksums[name] = stack.crc32
        return written if known == _progress(checksums, records, code, written) else 0
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def _progress(
    checksums: dict[str, int], records: Sequence[Record], code: dict[str, str], written: int
) -> dict[str, Any]:
    return manifest_of(checksums, records, code) | {"written": written}


def _write(
    records: Sequence[Record], folder: Path, read: ReadAll, code: dict[str, str], kept: int
) -> tuple[list[Pair] | None, list[str], dict[str, int]]:
    """Read record by record into the array files, behind those that are kept.

    Returns:
        All pairs if their shapes or types differ, so that they do not fit an array, else None; a one-line fault for
        each unusable file; and the checksums of the array files.
    """
    faults: list[str] = []
    pairs = read(records[kept:], faults)
    noted = time.monotonic()
    stacks = [StackFile(folder / name, len(records), kept) for name in _FILES]
    with stacks[0] as images, stacks[1] as masks:
        for number, (image, mask) in enumerate(pairs, kept + 1):
            if not (images.takes(image) and masks.takes(mask)):
                held = [*zip(images.written(), masks.written(), strict=True), (image, mask), *pairs]
                return held, distinct_faults(faults), {}
            # After a fault the rest are only checked.
            if not faults:
                images.append(image)
                masks.append(mask)
                if time.monotonic() - noted >= _SECONDS:
                    _note(stacks, folder, records, code, number)
                    noted = time.monotonic()
    return None, distinct_faults(faults), {name: stack.crc32 for name, stack in zip(_FILES, stacks, strict=True)}


def _note(
    stacks: Sequence[StackFile], folder: Path, records: Sequence[Record], code: dict[str, str], written: int
) -> None:
    """Note how far a build has come; what a crash of the system loses of it, the checksums tell."""
    for stack in stacks:
        stack.flush()
    checksums = {name: stack.crc32 for name, stack in zip(_FILES, stacks, strict=True)}
    write_json(folder / _PROGRESS, _progress(checksums, records, code, written))


def read_each(records: Sequence[Record], faults: list[str], read: ReadPair, threads: int) -> Iterator[Pair]:
    """Yield the pairs of readable records, and show how far it is; append a line to ``faults`` for the others."""
    with in_turn(records, partial(_pair_or_fault, read), threads) as found:
        for _, pair in zip(tracked(records, "checking and caching"), found, strict=True):
            if isinstance(pair, str):
                faults.append(pair)
            else:
                yield pair


def _pair_or_fault(read: ReadPair, record: Record) -> Pair | str:
    """Return a record as it is stored, or the line that says why it cannot be."""
    try:
        return read(record)
    except DataError as error:
        return str(error)
    except OSError as error:
        # Raised by a data set's own reader. If it escaped, it would be mistaken for a cache that cannot be written.
        return unreadable(error, record.image or record.id)


def distinct_faults(faults: list[str]) -> list[str]:
    """Return each line once."""
    # A bad volume is a fault for each of its slices.
    return list(dict.fromkeys(faults))


def manifest_of(checksums: dict[str, int], records: Sequence[Record], code: dict[str, str]) -> dict[str, Any]:
    """Return what a cache says of itself."""
    names = hashlib.blake2b(json.dumps([(r.id, r.group) for r in records]).encode(), digest_size=16)
    known = {"crc32": checksums, "records": len(records), "names": names.hexdigest()}
    return known | ({"code": code} if code else {})


def checksums_in_memory(images: Any, masks: Any) -> dict[str, int]:
    """Return the checksums that the array files of a cache would have."""
    return {name: checksum(arrays) for name, arrays in zip(_FILES, (images, masks), strict=True)}


def checksums_of(folder: Path) -> dict[str, int]:
    """Return the checksums of the array files of a cache."""
    checksums = {}
    for name in _FILES:
        value = 0
        with (folder / name).open("rb") as stream:
            while block := stream.read(1 << 22):
                value = zlib.crc32(block, value)
        checksums[name] = value
    return checksums
