"""Original archives of data sets: verified, then unpacked."""

from __future__ import annotations

import logging
import shutil
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from filelock import FileLock

from segbench.data.checksums import digest
from segbench.errors import DataError
from segbench.words import first_line

log = logging.getLogger("segbench")


# Archives of images halve them at best, and those of labels are a small part: what unpacks to far more is made to fill
# a disk.
_MOST_TIMES, _ANYHOW = 100, 100_000_000
_MOST_FILES = 1_000_000

Target = Callable[[PurePosixPath], str | None]


def unpack(archive: Path, folder: Path, target: Target, last: str, checksum: str | None = None) -> None:
    """Unpack the wanted files of a ZIP archive into a folder.

    Every file is checked against the archive's CRC-32. All or nothing: files are moved into place once all are
    unpacked, and ``last`` is moved last, so that if it exists, all do.

    Args:
        archive: The archive.
        folder: Where the files go; created if needed. Several processes may unpack at once.
        target: Maps a file's path in the archive, which may be anything, to a path within the folder, or to None for an
            unwanted file.
        last: Name, in the folder, of a file or folder that must be in the archive.
        checksum: MD5, SHA-1 or SHA-256 of the archive; None to skip that check.

    Raises:
        DataError: If the archive is unreadable or damaged, does not match the checksum, lacks ``last``, or unpacks to
            more than the disk has room for or than a data set could.
    """
    partial = folder / ".unpacking"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".unpacking.lock"):
            if (folder / last).exists():
                return
            _check(archive, checksum)
            try:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                count = _extract(archive, partial, target)
                names = sorted((path.name for path in partial.iterdir()), key=lambda name: name == last)
                if last not in names:
                    raise DataError(f"{archive}: contains no {last}; it is another archive, or incomplete")
                for name in names:
                    (partial / name).replace(folder / name)
                log.info("%s: %d files unpacked into %s", archive.name, count, folder)
            finally:
                # While holding the lock: afterwards the folder may be another process's.
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{archive}: cannot be unpacked into {folder} ({error.strerror or error})") from None


def _check(archive: Path, checksum: str | None) -> None:
    if checksum is None:
        return
    with archive.open("rb") as stream:
        found = digest(stream, checksum)
    if found != checksum.lower():
        raise DataError(f"{archive}: its checksum is {found}, not data.checksum={checksum}; download it again")


def _check_room(archive: Path, folder: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Compare what an archive says it holds, of which no more is ever unpacked, with the disk and with its own size.

    Raises:
        DataError: If it is too much.
    """
    size, packed = sum(entry.file_size for entry in entries), archive.stat().st_size
    free = shutil.disk_usage(folder).free
    if len(entries) > _MOST_FILES or size > max(_MOST_TIMES * packed, _ANYHOW):
        raise DataError(
            f"{archive}: {packed:,} bytes that unpack to {size:,} in {len(entries):,} files, which no data set does;"
            " download it again"
        )
    if size > free:
        raise DataError(f"{archive}: unpacks to {size:,} bytes, but {folder.parent} has room for {free:,}; free space")


def _extract(archive: Path, folder: Path, target: Target) -> int:
    """Unpack the wanted files and return their number."""
    names: set[str] = set()
    member = ""
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            _check_room(archive, folder, entries)
            for entry in entries:
                member, name = entry.filename, None if entry.is_dir() else target(PurePosixPath(entry.filename))
                if name is None:
                    continue
                if name in names:
                    raise DataError(f"{archive}: contains {name} twice")
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                # Reading to the end checks the CRC.
                with opened.open(entry) as source, (folder / name).open("wb") as stream:
                    shutil.copyfileobj(source, stream)
                names.add(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        reason = first_line(error)
        where = f", at {member}" if member else ""
        raise DataError(f"{archive}: damaged ZIP archive ({reason}{where}); download it again") from None
    return len(names)
