"""Downloads of missing data, with their checksums."""

from __future__ import annotations

import gzip
import io
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from segbench.data.checksums import digest, kind_of
from segbench.downloading import DownloadError, fetch
from segbench.errors import DataError
from segbench.runs.files import atomic_open

log = logging.getLogger("segbench")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set and its source.

    Attributes:
        url: Its URL.
        path: Where to put it.
        checksum: MD5, SHA-1 or SHA-256 of its content; for a ``.gz``, of the uncompressed content.
    """

    url: str
    path: Path
    checksum: str


def download(files: Sequence[RemoteFile]) -> None:
    """Download the files that are missing; existing ones are left alone.

    A file appears complete and verified, or not at all.

    Args:
        files: The files.

    Raises:
        DataError: If a download fails (says where to put the file by hand), or its checksum is wrong.
    """
    missing = [file for file in files if not file.path.exists()]
    if not missing:
        return
    for folder in {file.path.parent for file in missing}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot create it ({error.strerror or error}); set data.root") from error
    # Jobs of a sweep start together: one downloads, the others wait.
    with FileLock(missing[0].path.parent / ".fetch.lock"):
        for file in missing:
            if not file.path.exists():
                _download(file)


def _download(file: RemoteFile) -> None:
    log.info("downloading %s", file.url)
    try:
        content = fetch(file.url)
    except DownloadError as error:
        raise DataError(f"{file.path}: missing, and cannot download {file.url} ({error}); put it there") from error
    found, expected = _digest(file, content), file.checksum
    if found != expected.lower():
        wrong = f"{kind_of(expected)} {found}, not {expected}"
        raise DataError(f"{file.url}: wrong checksum ({wrong}); put the right file at {file.path}")
    with atomic_open(file.path) as stream:
        stream.write(content)


def _digest(file: RemoteFile, content: bytes) -> str:
    if file.path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return "of a damaged archive"
    return digest(io.BytesIO(content), file.checksum)
