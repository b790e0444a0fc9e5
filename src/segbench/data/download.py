"""Fetching data that is absent, with its checksum."""

from __future__ import annotations

import gzip
import http.client
import io
import logging
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from segbench.data.checksums import digest, kind_of
from segbench.errors import DataError
from segbench.runs.files import atomic_open

log = logging.getLogger("segbench")
_SECONDS = 30.0


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set and where it comes from.

    Attributes:
        url: Its address.
        path: Where it belongs.
        checksum: MD5, SHA-1 or SHA-256 of its content; of a ``.gz``, of what is packed in it.
    """

    url: str
    path: Path
    checksum: str


def fetch(files: Sequence[RemoteFile]) -> None:
    """Fetch the files that are absent; those that are there are not touched.

    A file appears whole and checked, or not at all.

    Args:
        files: The files.

    Raises:
        DataError: If one cannot be fetched, says how to get it by hand; or if its checksum is wrong.
    """
    absent = [file for file in files if not file.path.exists()]
    if not absent:
        return
    for folder in {file.path.parent for file in absent}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be made ({error.strerror or error}); set data.root") from error
    # Jobs of a sweep begin together: one fetches, the others wait.
    with FileLock(absent[0].path.parent / ".fetch.lock"):
        for file in absent:
            if not file.path.exists():
                _fetch(file)


def _fetch(file: RemoteFile) -> None:
    log.info("fetching %s", file.url)
    try:
        with urllib.request.urlopen(file.url, timeout=_SECONDS) as answer:  # noqa: S310 - the address is the user's
            content = answer.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{file.path}: absent, and {file.url} cannot be fetched ({reason}); put it there") from error
    found, expected = _digest(file, content), file.checksum
    if found != expected.lower():
        wrong = f"{kind_of(expected)} {found}, not {expected}"
        raise DataError(f"{file.url}: wrong checksum ({wrong}); put the right {file.path} there")
    with atomic_open(file.path) as stream:
        stream.write(content)


def _digest(file: RemoteFile, content: bytes) -> str:
    if file.path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return "of a damaged archive"
    return digest(io.BytesIO(content), file.checksum)
