"""Archives as their owners give them out: verified, then unpacked beside themselves."""

from __future__ import annotations

import logging
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from filelock import FileLock

from segbench.data.checksums import digest
from segbench.errors import DataError
from segbench.words import first_line

log = logging.getLogger("segbench")


Place = Callable[[PurePosixPath], str | None]


def unpack(archive: Path, folder: Path, place: Place, last: str, checksum: str | None = None) -> None:
    """Unpack the wanted files of a ZIP archive into a folder.

    Every file is checked against the CRC-32 that the archive holds. All or nothing: the files are put in their place
    when all are unpacked, and ``last`` comes last, so that where it is, all are.

    Args:
        archive: The archive.
        folder: Where the files go; it is made, and several processes may ask at once.
        place: From a file's path in the archive, which may be anything, to where it goes: a path within the folder, or
            None for a file that is not wanted.
        last: Name in the folder of a file, or of a folder of files, without which the archive is not the right one.
        checksum: MD5, SHA-1 or SHA-256 of the archive, which tells that it is the very file; None is not checked.

    Raises:
        DataError: One line: unreadable, damaged, another file than the checksum's, or without ``last``.
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
                count = _extract(archive, partial, place)
                names = sorted((path.name for path in partial.iterdir()), key=lambda name: name == last)
                if last not in names:
                    raise DataError(f"{archive}: holds no {last}; it is another archive, or not whole")
                for name in names:
                    (partial / name).replace(folder / name)
                log.info("%s: %d files unpacked into %s", archive.name, count, folder)
            finally:
                # While the lock is held: afterwards the folder may be that of another process.
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{archive}: cannot be unpacked into {folder} ({error.strerror or error})") from None


def _check(archive: Path, checksum: str | None) -> None:
    if checksum is None:
        return
    with archive.open("rb") as stream:
        found = digest(stream, checksum)
    if found != checksum.lower():
        raise DataError(f"{archive}: its checksum is {found}, not data.checksum={checksum}; get it again")


def _extract(archive: Path, folder: Path, place: Place) -> int:
    """Unpack what is wanted, and return the number of files."""
    names: set[str] = set()
    member = ""
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                member, name = entry.filename, None if entry.is_dir() else place(PurePosixPath(entry.filename))
                if name is None:
                    continue
                if name in names:
                    raise DataError(f"{archive}: holds {name} twice")
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                # Read to its end, where the CRC is compared.
                with opened.open(entry) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                names.add(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        reason = first_line(error)
        where = f", at {member}" if member else ""
        raise DataError(f"{archive}: not a whole ZIP archive ({reason}{where}); get it again") from None
    return len(names)
