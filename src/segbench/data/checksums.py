"""File checksums; the length tells the algorithm."""

from __future__ import annotations

import hashlib
from io import BufferedIOBase

from segbench.errors import ConfigError

_KINDS = {32: "md5", 40: "sha1", 64: "sha256"}


def check_digest(checksum: str | None) -> None:
    """Check the option ``data.checksum``.

    Raises:
        ConfigError: If it is neither 32 (MD5), 40 (SHA-1) nor 64 (SHA-256) hexadecimal digits.
    """
    if checksum is not None and (len(checksum) not in _KINDS or set(checksum.lower()) - set("0123456789abcdef")):
        raise ConfigError(f"data.checksum={checksum}: expected 32, 40 or 64 hexadecimal digits (MD5, SHA-1, SHA-256)")


def kind_of(checksum: str) -> str:
    """Return the algorithm, ``md5``, ``sha1`` or ``sha256``, by the checksum's length."""
    return _KINDS[len(checksum)]


def digest(stream: BufferedIOBase, checksum: str) -> str:
    """Return the checksum of a stream, in lower case.

    Args:
        stream: Read from its position to its end.
        checksum: A checksum of the wanted algorithm.
    """
    return hashlib.file_digest(stream, kind_of(checksum)).hexdigest()
