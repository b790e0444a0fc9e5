"""Files that unfold to more than they are: tables, archives, pictures; bounded as in :mod:`segbench.runs.bounded`."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from segbench.environment import bounded_memory
from segbench.runs.bounded import KILO, LISTS, MEGA, MEMORY, PICTURE, TABLE, open_file, read_bytes

MOST_COLUMNS, MOST_ROWS, MOST_CELLS = 2_000, 5_000_000, 50_000_000
MOST_MEMBERS = 500_000
MOST_PIXELS = 64 * MEGA
ARCHIVE = 4096 * MEGA

_NO_TABLE = (pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_decimal)
_ZIP_FAULTS = (
    OSError, ValueError, LookupError, TypeError, RuntimeError, MemoryError, EOFError, zipfile.BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip


def read_csv(path: Path) -> pd.DataFrame:
    """Return the rows of a CSV file whose last line is whole.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it cannot be, or is no table, or one of more than :data:`MOST_COLUMNS`.
    """
    content = read_bytes(path, largest=LISTS)
    if not content.endswith(b"\n"):
        raise ValueError("it is cut short: its last line has no end")
    columns = content[: content.find(b"\n")].count(b",") + 1
    if columns > MOST_COLUMNS:
        raise ValueError(f"it has {columns:,} columns, more than {MOST_COLUMNS:,}")
    with bounded_memory(MEMORY):
        return pd.read_csv(io.BytesIO(content))


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file whose table is not too large, by what the file says of it.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it cannot be, is no Parquet file, is too large, or has columns of other than texts and numbers.
    """
    try:
        with open_file(path, largest=TABLE) as stream, bounded_memory(MEMORY):
            file = pq.ParquetFile(stream, memory_map=False, pre_buffer=False)
            _check_size(file)
            yield file
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error


def _check_size(file: pq.ParquetFile) -> None:
    columns, rows = file.metadata.num_columns, file.metadata.num_rows
    if columns > MOST_COLUMNS or rows > MOST_ROWS or columns * rows > MOST_CELLS:
        raise ValueError(f"it has {rows:,} rows of {columns:,} columns, more than any run's")
    for part in file.schema_arrow:
        if any(refused(part.type) for refused in _NO_TABLE):
            raise ValueError(f"its column {part.name[:80]!r} holds neither texts nor numbers")


def read_parquet(file: pq.ParquetFile) -> pa.Table:
    """Return the rows of a file that :func:`open_parquet` opened.

    Raises:
        ValueError: If they take more than :data:`MEMORY`, whatever the file says of itself.
    """
    batches, size = [], 0
    for batch in file.iter_batches(batch_size=16 * KILO, use_threads=False):
        batches.append(batch)
        size += batch.nbytes
        if size > MEMORY // 4:
            raise ValueError(f"its rows take more than {MEMORY // 4:,} bytes")
    return pa.Table.from_batches(batches, file.schema_arrow)


@contextmanager
def open_zip(path: Path, root: Path | None = None) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP file; its members are read by :func:`read_member`.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it cannot be read, is no ZIP file, or has more than :data:`MOST_MEMBERS` members.
    """
    try:
        with open_file(path, root, ARCHIVE) as stream, bounded_memory(MEMORY), zipfile.ZipFile(stream) as archive:
            if len(archive.infolist()) > MOST_MEMBERS:
                raise ValueError(f"it has {len(archive.infolist()):,} members, more than {MOST_MEMBERS:,}")
            yield archive
    except FileNotFoundError:
        raise
    except _ZIP_FAULTS as error:
        raise ValueError(str(error) or type(error).__name__) from error


def read_member(archive: zipfile.ZipFile, name: str, largest: int = PICTURE) -> bytes:
    """Return a member of a ZIP file, inside :func:`open_zip`.

    Raises:
        ValueError: If it is larger, whatever the file says of it.
        KeyError: If there is none.
    """
    with archive.open(name) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"its member {name} has more than {largest:,} bytes")
    return content


@contextmanager
def open_picture(content: bytes) -> Iterator[Image.Image]:
    """Open a PNG or JPEG that is not too large when it is decoded.

    Raises:
        ValueError: If it is none, or has more than :data:`MOST_PIXELS`; also for damage that the block comes upon.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError(f"it has {picture.width} by {picture.height} pixels, more than {MOST_PIXELS:,}")
            yield picture
    except (OSError, SyntaxError, Image.DecompressionBombError, zlib.error, struct.error) as error:
        # Pillow raises any of these for a damaged file.
        raise ValueError(str(error) or type(error).__name__) from error
