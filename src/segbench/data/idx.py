"""MNIST's idx format, compressed with gzip."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segbench.errors import DataError

# Two zero bytes, then 8 for unsigned bytes, then the number of dimensions.
_UNSIGNED_BYTES = b"\0\0\x08"
_MOST_DIMENSIONS = 4
# Sixteen times MNIST's 60,000 images.
_MOST_VALUES = 1_000_000_000


def read_idx_shape(path: Path) -> tuple[int, ...]:
    """Return the shape in an idx file's header, without decompressing the rest.

    Raises:
        DataError: If it is not an idx file of unsigned bytes, or cannot be read.
    """
    with _decompressed(path) as stream:
        return _shape(path, stream)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the values of an idx file, in the shape given by its header.

    Raises:
        DataError: If it is not an idx file of unsigned bytes, its length contradicts its header, or it cannot be read.
    """
    with _decompressed(path) as stream:
        shape = _shape(path, stream)
        expected = math.prod(shape)
        if expected > _MOST_VALUES:
            raise DataError(f"{path}: its header says {shape}; at most {_MOST_VALUES:,} values are read")
        # One more than there should be: what a small file unpacks to may not fit into memory.
        values = stream.read(expected + 1)
        if len(values) > expected:
            raise DataError(f"{path}: more values than its header's {shape}; download it again")
        # Only who reads to the end compares the checksum.
        stream.read(1)
    if len(values) != expected:
        raise DataError(f"{path}: {len(values)} values, but its header says {shape}; download it again")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _shape(path: Path, stream: gzip.GzipFile) -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != _UNSIGNED_BYTES or not 1 <= magic[3] <= _MOST_DIMENSIONS:
        raise DataError(f"{path}: wrong magic number {magic.hex()}: not an idx file of unsigned bytes")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path}: truncated header; download it again")
    return struct.unpack(f">{magic[3]}I", sizes)


@contextmanager
def _decompressed(path: Path) -> Iterator[gzip.GzipFile]:
    # A pipe would be waited for.
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: not a file")
    try:
        with gzip.open(path) as stream:
            yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: truncated or damaged ({error}); download it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
