"""Archives as their owners give them out: verified, then unpacked beside themselves."""

from __future__ import annotations

import hashlib
import logging
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from filelock import FileLock

from segbench.errors import ConfigError, DataError

log = logging.getLogger("segbench")
_DIGESTS = {32: "md5", 40: "sha1", 64: "sha256"}


def check_digest(checksum: str | None) -> None:
    """Refuse what is no checksum.

    Raises:
        ConfigError: If it is neither 32 (MD5), 40 (SHA-1) nor 64 (SHA-256) hexadecimal digits.
    """
    if checksum is not None and (len(checksum) not in _DIGESTS or set(checksum.lower()) - set("0123456789abcdef")):
        raise ConfigError(f"data.checksum={checksum}: expected 32, 40 or 64 hexadecimal digits (MD5, SHA-1, SHA-256)")


def unpack(archive: Path, folder: Path, wanted: Callable[[str], bool], last: str, checksum: str | None = None) -> None:
    """Unpack the wanted files of a ZIP archive into a folder, whatever folders they are in inside it.

    Every file is checked against the CRC-32 that the archive holds. All or nothing: the files are put in their place
    when all are unpacked, and ``last`` comes last, so that where it is, all are.

    Args:
        archive: The archive.
        folder: Where the files go; it is made, and several processes may ask at once.
        wanted: Says of a file's name, without folders, whether it is to be unpacked.
        last: A name without which the archive is not the right one.
        checksum: MD5, SHA-1 or SHA-256 of the archive, which tells that it is the very file; None is not checked.

    Raises:
        DataError: One line: unreadable, damaged, another file than the checksum's, or without ``last``.
    """
    partial = folder / ".unpacking"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".unpacking.lock"):
            if (folder / last).is_file():
                return
            _check(archive, checksum)
            try:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                names = _extract(archive, partial, wanted)
                if last not in names:
                    raise DataError(f"{archive}: holds no {last}; it is another archive, or not whole")
                for name in sorted(names, key=lambda name: name == last):
                    (partial / name).replace(folder / name)
                log.info("%s: %d files unpacked into %s", archive.name, len(names), folder)
            finally:
                # While the lock is held: afterwards the folder may be that of another process.
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{archive}: cannot be unpacked into {folder} ({error.strerror or error})") from None


def _check(archive: Path, checksum: str | None) -> None:
    if checksum is None:
        return
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, _DIGESTS[len(checksum)]).hexdigest()
    if found != checksum.lower():
        raise DataError(f"{archive}: its checksum is {found}, not data.checksum={checksum}; get it again")


def _extract(archive: Path, folder: Path, wanted: Callable[[str], bool]) -> set[str]:
    """Unpack what is wanted, and return the names."""
    names: set[str] = set()
    member = ""
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                member, name = entry.filename, PurePosixPath(entry.filename).name
                if entry.is_dir() or not wanted(name):
                    continue
                if name in names:
                    raise DataError(f"{archive}: holds {name} twice")
                # Read to its end, where the CRC is compared.
                with opened.open(entry) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                names.add(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        where = f", at {member}" if member else ""
        raise DataError(f"{archive}: not a whole ZIP archive ({reason}{where}); get it again") from None
    return names
