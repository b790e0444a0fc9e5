"""PNG of every depth (ISO/IEC 15948), verified by the checksum that each of its chunks has."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from imagecodecs import PngError, png_decode

from segbench.data.formats import raster
from segbench.data.formats.stored import Kind, StoredImage, check_pixels
from segbench.errors import DataError
from segbench.words import first_line

_SIGNATURE = 8
_BLOCK = 1 << 20
_GREY = 0
# By colour type: samples of a pixel, opacity not counted.
_SAMPLES = {_GREY: 1, 2: 3, 3: 1, 4: 1, 6: 3}


class _Header(NamedTuple):
    width: int
    height: int
    bits: int
    colours: int


def read(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a PNG that is not animated.

    Raises:
        DataError: One line: damaged, cut off, animated, or too large.
    """
    header = _verified(path, stream)
    stream.seek(0)
    with raster.opened(path, stream, ("PNG",)) as image:
        raster.refuse_frames(path, image)
        if header.bits == 16:
            # Pillow cuts colours of 16 bits to 8.
            return _deep(path, stream, header, raster.orientation_of(image))
        # Pillow widens grey of 2 and 4 bits to 0..255; divided again it is what is stored.
        step = 255 // (2**header.bits - 1) if header.colours == _GREY and header.bits in (2, 4) else 1
        return raster.stored(path, image, bits=header.bits, step=step)


def _deep(path: Path, stream: IO[bytes], header: _Header, orientation: int) -> StoredImage:
    stream.seek(0)
    try:
        values = png_decode(stream.read())
    except (PngError, ValueError) as error:
        raise DataError(f"{path}: damaged ({first_line(error)})") from None
    values = values.reshape(header.height, header.width, -1)
    samples = _SAMPLES[header.colours]
    # Opacity comes last, also that of a single transparent colour.
    see_through = values[..., -1] < np.iinfo(np.uint16).max if values.shape[2] > samples else None
    kind: Kind = "RGB" if samples == 3 else "grey"
    return StoredImage(path, kind, values[..., :samples], 16, orientation, None, see_through)


def _verified(path: Path, stream: IO[bytes]) -> _Header:
    """Return the header of a PNG whose chunks all have the checksum that they say.

    Pillow and libpng look at that of few chunks, and take pixels with flipped bits.
    """
    stream.seek(_SIGNATURE)
    header = None
    while True:
        length, kind = struct.unpack(">I4s", _exactly(path, stream, 8))
        crc, first = zlib.crc32(kind), b""
        while length:
            block = _exactly(path, stream, min(length, _BLOCK))
            crc, first, length = zlib.crc32(block, crc), first or block, length - len(block)
        if crc != struct.unpack(">I", _exactly(path, stream, 4))[0]:
            raise DataError(f"{path}: damaged (wrong checksum in its {kind.decode('latin-1')} chunk)")
        if kind == b"IHDR" and len(first) == 13:
            header = _Header(*struct.unpack(">IIBB", first[:10]))
            check_pixels(path, header.width, header.height)
        if kind == b"IEND":
            break
    if header is None or header.colours not in _SAMPLES:
        raise DataError(f"{path}: damaged (no header)")
    return header


def _exactly(path: Path, stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise DataError(f"{path}: damaged (cut off)")
    return content
