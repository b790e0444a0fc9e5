"""A ``.npy`` file written one array at a time, for stacks larger than memory."""

from __future__ import annotations

import io
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

# Bytes read at once.
_BLOCK = 2**22


def checksum(arrays: Any) -> int:
    """Return the :attr:`StackFile.crc32` of arrays that are in memory.

    Args:
        arrays: A stack, (N,...); or a list of arrays of several shapes, of which there is no file, each counted as a
            stack of one.
    """
    if not isinstance(arrays, np.ndarray):
        value = 0
        for array in arrays:
            value = _added(np.asarray(array)[None], value)
        return value
    return _added(arrays, 0)


def _added(stack: NDArray[Any], value: int) -> int:
    value = zlib.crc32(_header(stack.shape, stack.dtype), value)
    for array in stack:
        value = zlib.crc32(np.ascontiguousarray(array).data, value)
    return value


def _header(shape: Sequence[int], dtype: np.dtype[Any]) -> bytes:
    header = io.BytesIO()
    about = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(header, about)
    return header.getvalue()


class StackFile:
    """The same bytes as :func:`numpy.save` writes for ``numpy.stack(arrays)`` in C order, without holding the stack.

    Written as a stream, not through a memory map: a full disk then raises an error, where a map kills the process
    (SIGBUS), and written pages do not count as the process's memory. Use it as a context manager; leaving it syncs the
    file to disk.

    Args:
        path: The file to write.
        count: Number of arrays in the stack.
        kept: How many arrays of an unfinished file of this name to go on from, whose :attr:`crc32` is then theirs.

    Attributes:
        crc32: Checksum of all bytes written so far.

    Raises:
        OSError: If the disk is full or the file cannot be written; from any method.
        ValueError: If the unfinished file is not one of so many arrays.
    """

    def __init__(self, path: Path, count: int, kept: int = 0) -> None:
        self._path, self._count = path, count
        self._stream = path.open("r+b" if kept else "wb")
        self._shape: tuple[int, ...] | None = None
        self._dtype: np.dtype[Any] = np.dtype(np.uint8)
        self._header = 0
        self.crc32 = 0
        if kept:
            try:
                self._go_on(kept)
            except BaseException:
                self._stream.close()
                raise

    def takes(self, array: NDArray[Any]) -> bool:
        """Return whether an array has the shape and type of those before it."""
        return self._shape is None or (array.shape == self._shape and array.dtype == self._dtype)

    def append(self, array: NDArray[Any]) -> None:
        """Write the next array.

        Raises:
            ValueError: If its shape or type differs from those before it.
            OSError: If it cannot be written.
        """
        if not self.takes(array):
            raise ValueError(f"{array.dtype}{array.shape} does not fit a stack of {self._dtype}{self._shape}")
        if self._shape is None:
            self._shape, self._dtype = array.shape, array.dtype
            self._header = self._write(_header((self._count, *array.shape), array.dtype))
        self._write(np.ascontiguousarray(array).tobytes())

    def flush(self) -> None:
        """Leave what is written to the system, so that it outlasts this process."""
        self._stream.flush()

    def written(self) -> list[NDArray[Any]]:
        """Return the arrays written so far, read back."""
        if self._shape is None:
            return []
        self._stream.flush()
        values = np.fromfile(self._path, self._dtype, offset=self._header)
        return list(values.reshape(-1, *self._shape))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._stream:
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def _go_on(self, kept: int) -> None:
        """Read the beginning of an unfinished file, and cut off what follows."""
        np.lib.format.read_magic(self._stream)
        shape, by_columns, self._dtype = np.lib.format.read_array_header_1_0(self._stream)
        self._header, self._shape = self._stream.tell(), shape[1:]
        left = self._header + kept * math.prod(self._shape) * self._dtype.itemsize
        whole = min(shape, default=0) >= 0 and self._path.stat().st_size >= left
        if by_columns or shape[:1] != (self._count,) or not whole:
            raise ValueError(f"{self._path}: not {kept} of {self._count} arrays")
        self._stream.seek(0)
        while left:
            block = self._stream.read(min(left, _BLOCK))
            self.crc32, left = zlib.crc32(block, self.crc32), left - len(block)
        # Between reading and writing there must be a seek.
        self._stream.seek(0, os.SEEK_CUR)
        self._stream.truncate()

    def _write(self, content: bytes) -> int:
        self.crc32 = zlib.crc32(content, self.crc32)
        return self._stream.write(content)
