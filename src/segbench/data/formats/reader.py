"""Opens an image file by its content, whatever its suffix."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from segbench.data.formats import png, raster, tiff
from segbench.data.formats.stored import StoredImage
from segbench.data.records import unreadable
from segbench.errors import DataError


class _Format(NamedTuple):
    signatures: tuple[bytes, ...]
    read: Callable[[Path, IO[bytes]], StoredImage]
    orientation: Callable[[Path, IO[bytes]], int]
    read_pages: Callable[[Path, IO[bytes]], list[StoredImage]] | None = None


_FORMATS = (
    _Format((b"\x89PNG\r\n\x1a\n",), png.read, raster.orientation),
    _Format((b"\xff\xd8\xff",), raster.read_jpeg, raster.orientation),
    _Format((b"GIF87a", b"GIF89a"), raster.read_gif, raster.orientation),
    _Format((b"BM",), raster.read_bmp, raster.orientation),
    _Format((b"RIFF",), raster.read_webp, raster.orientation),
    _Format((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), tiff.read, tiff.orientation, tiff.read_pages),
)
READABLE = "PNG, JPEG, GIF, BMP, TIFF and WebP can be read"
# The first bytes, in lower case, of files that are often mistaken for images.
_OTHERS = {
    b"<!doctype": "a web page, from a failed download",
    b"<html": "a web page, from a failed download",
    b"version https://git-lfs": "a Git LFS pointer; run git lfs pull",
    b"\0\5\x16\7": "AppleDouble metadata; delete it",
    b"\x1f\x8b": f"a gzip archive; {READABLE}",
    b"%pdf": f"a PDF; {READABLE}",
    b"8bps": f"a Photoshop file; {READABLE}",
    b"\0\0\0\x0cjp": f"JPEG 2000; {READABLE}",
}


def read_stored(path: Path) -> StoredImage:
    """Read a file with one image: PNG, JPEG, GIF, BMP, TIFF or WebP.

    Raises:
        DataError: If it is unreadable, empty, damaged, too large or of another format, or has several images.
    """
    with _opened(path) as (kind, stream):
        return kind.read(path, stream)


def read_stored_pages(path: Path) -> list[StoredImage]:
    """Read a file with one image or, in a TIFF, several of one size; those may have any number of channels.

    Raises:
        DataError: As :func:`read_stored`, but for the number of images.
    """
    with _opened(path) as (kind, stream):
        return [kind.read(path, stream)] if kind.read_pages is None else kind.read_pages(path, stream)


def read_orientation(path: Path) -> int:
    """Return the EXIF orientation in a file's header, 1 to 8; 1 if there is none.

    Raises:
        DataError: If it is unreadable, empty, damaged or of another format.
    """
    with _opened(path) as (kind, stream):
        return kind.orientation(path, stream)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[_Format, IO[bytes]]]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # Opening a pipe would wait for a writer.
            raise DataError(f"{path}: not a file")
        if status.st_size == 0:
            raise DataError(f"{path}: empty file")
        with path.open("rb") as stream:
            start = stream.read(64)
            stream.seek(0)
            kind = next((kind for kind in _FORMATS if start.startswith(kind.signatures)), None)
            if kind is None:
                raise DataError(f"{path}: not an image{_guess(start)}")
            yield kind, stream
    except OSError as error:
        raise DataError(unreadable(error, path)) from None


def _guess(start: bytes) -> str:
    """Return what a file that starts like this may be, to complete "not an image"."""
    for beginning, description in _OTHERS.items():
        if start.lstrip().lower().startswith(beginning):
            return f" but {description}"
    return f" but HEIF, AVIF or a video; {READABLE}" if start[4:8] == b"ftyp" else f"; {READABLE}"
