"""PNG of every depth (ISO/IEC 15948); the checksum of every chunk is verified."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from segbench.data.formats import raster
from segbench.data.formats.stored import Kind, StoredImage, check_pixels
from segbench.errors import DataError
from segbench.words import first_line

_SIGNATURE = 8
_BLOCK = 1 << 20
_GREY, _PALETTE = 0, 3
# Samples per pixel of each colour type, with and without opacity.
_STORED = {_GREY: 1, 2: 3, _PALETTE: 1, 4: 2, 6: 4}
_COLOURS = {_GREY: 1, 2: 3, _PALETTE: 1, 4: 1, 6: 3}
# What a reader must understand (a capital letter begins its name), of which the standard has no more.
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
# The passes of interlacing: first row and column, and the steps between rows and columns.
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


class _Header(NamedTuple):
    width: int
    height: int
    bits: int
    colour_type: int
    interlaced: bool

    @property
    def is_plain(self) -> bool:
        """Whether libpng decodes it; Pillow truncates 16-bit colours, but libpng expands palettes and low depths."""
        return self.bits == 16 or (self.bits == 8 and self.colour_type != _PALETTE and not self.interlaced)

    def content_bytes(self) -> int:
        """Return the length of the uncompressed pixels, with one byte for the filter of every row."""
        passes = _ADAM7 if self.interlaced else ((0, 0, 1, 1),)
        total = 0
        for row, column, down, right in passes:
            height, width = -(-(self.height - row) // down), -(-(self.width - column) // right)
            if height > 0 and width > 0:
                total += height * (1 + -(-width * _STORED[self.colour_type] * self.bits // 8))
        return total


def read(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a PNG that is not animated.

    Raises:
        DataError: If it is damaged, truncated, animated or too large.
    """
    header = _verified_header(path, stream)
    stream.seek(0)
    with raster.opened(path, stream, ("PNG",)) as image:
        raster.reject_frames(path, image)
        if header.is_plain:
            return _read_plain(path, stream, header, raster.orientation_of(image))
        # Pillow scales grey of 2 and 4 bits to 0..255.
        step = 255 // (2**header.bits - 1) if header.colour_type == _GREY and header.bits in (2, 4) else 1
        return raster.stored(path, image, bits=header.bits, step=step)


def _read_plain(path: Path, stream: IO[bytes], header: _Header, orientation: int) -> StoredImage:
    # Not above: generated data and photographs do without it, and bare machines may lack it.
    from imagecodecs import PngError, png_decode

    stream.seek(0)
    try:
        values = png_decode(stream.read())
    except (PngError, ValueError) as error:
        raise DataError(f"{path}: damaged ({first_line(error)})") from None
    values = values.reshape(header.height, header.width, -1)
    samples = _COLOURS[header.colour_type]
    # The last sample is the opacity, even if the file names a transparent colour instead.
    see_through = values[..., -1] < np.iinfo(values.dtype).max if values.shape[2] > samples else None
    kind: Kind = "RGB" if samples == 3 else "grey"
    return StoredImage(path, kind, values[..., :samples], header.bits, orientation, None, see_through)


def _verified_header(path: Path, stream: IO[bytes]) -> _Header:
    """Return a PNG's header after verifying the checksum of every chunk and, for Pillow, the number of pixels.

    Pillow and libpng verify few checksums and return wrong pixels for 29 % of single-bit errors; Pillow also fills
    missing rows with zeros.
    """
    stream.seek(_SIGNATURE)
    header, pixels = None, None
    while True:
        length, kind = struct.unpack(">I4s", _read_exactly(path, stream, 8))
        crc, first = zlib.crc32(kind), b""
        while length:
            block = _read_exactly(path, stream, min(length, _BLOCK))
            crc, first, length = zlib.crc32(block, crc), first or block, length - len(block)
            if kind == b"IDAT" and pixels is not None:
                pixels.add(block)
        if crc != struct.unpack(">I", _read_exactly(path, stream, 4))[0]:
            raise DataError(f"{path}: damaged (wrong checksum of its {kind.decode('latin-1')} chunk)")
        if kind[:1].isupper() and kind not in _CRITICAL:
            raise DataError(f"{path}: damaged, or no PNG of the standard (a chunk {kind.decode('latin-1')!a})")
        if kind == b"IHDR":
            header = _parse_header(path, first)
            pixels = None if header.is_plain else _PixelCount(path, header.content_bytes())
        if kind == b"IEND":
            break
    if header is None:
        raise DataError(f"{path}: damaged (no valid header)")
    if pixels is not None:
        pixels.check()
    return header


def _parse_header(path: Path, content: bytes) -> _Header:
    if len(content) != 13:
        raise DataError(f"{path}: damaged (no valid header)")
    width, height, bits, colour_type, compression, filtering, interlaced = struct.unpack(">IIBBBBB", content)
    check_pixels(path, width, height)
    known = colour_type in _STORED and bits in (1, 2, 4, 8, 16) and (compression, filtering) == (0, 0)
    # Pillow takes any other number for the only way to interlace that there is.
    if not known or interlaced not in (0, 1):
        raise DataError(f"{path}: damaged (no valid header)")
    return _Header(width, height, bits, colour_type, bool(interlaced))


class _PixelCount:
    """Decompresses a PNG's pixels without storing them, to compare their number with the header's.

    Args:
        path: The file, for messages.
        expected: Length of the uncompressed pixels.
    """

    def __init__(self, path: Path, expected: int) -> None:
        self._path, self._left, self._stream = path, expected, zlib.decompressobj()

    def add(self, block: bytes) -> None:
        """Decompress a part of the pixels."""
        try:
            while block and self._left >= 0:
                # One extra byte shows that there are too many.
                self._left -= len(self._stream.decompress(block, self._left + 1))
                block = self._stream.unconsumed_tail
        except zlib.error as error:
            raise DataError(f"{self._path}: damaged ({first_line(error)})") from None

    def check(self) -> None:
        """Check, after the last part, that there are exactly as many as expected."""
        if self._left or not self._stream.eof:
            raise DataError(f"{self._path}: damaged (more or fewer pixels than its header says)")


def _read_exactly(path: Path, stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise DataError(f"{path}: damaged (truncated)")
    return content
