"""Kinds of pictures and volumes that no writer of every day makes, and that are right, or are not what they seem."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile
from numpy.typing import NDArray
from tests.data.formats.writers import bmp, chunk, nifti, png, tiff

from campaign.pictures import BLACK_IS_ZERO, CMYK, KINDS, RGB
from campaign.steps import step

Array = NDArray[Any]
_FILL_ORDER, _INK_SET, _STRIPS, _STRIP_BYTES = 266, 332, 273, 279


def _plain(pixels: Array, **options: Any) -> bytes:
    return tiff(pixels, 8 * pixels.dtype.itemsize, RGB if pixels.shape[2] == 3 else BLACK_IS_ZERO, **options)


def _with_tag(content: bytes, tag: int, value: int) -> bytes:
    """Return a little-endian TIFF of one page whose directory has one more SHORT."""
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    entries = [content[start + 2 + 12 * index : start + 14 + 12 * index] for index in range(count)]
    entries.append(struct.pack("<HHIHH", tag, 3, 1, value, 0))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry)[0])
    padded = content + b"\0" * (len(content) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0"
    return padded[:4] + struct.pack("<I", len(padded)) + padded[8:] + directory


def _reversed_bits(pixels: Array) -> bytes:
    """A TIFF whose bytes have their lowest bit first (FillOrder 2)."""
    mirrored = np.packbits(
        np.unpackbits(np.ascontiguousarray(pixels).view(np.uint8)[..., None], axis=-1)[..., ::-1], axis=-1
    )
    return _with_tag(_plain(mirrored.reshape(-1).view(pixels.dtype).reshape(pixels.shape)), _FILL_ORDER, 2)


def _strips_backwards(pixels: Array) -> bytes:
    """A TIFF of one row a strip, the last row first in the file."""
    content = bytearray(_plain(np.ascontiguousarray(pixels[::-1]), rows=1))
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, _, number, where = struct.unpack_from("<HHII", content, place)
        if tag in (_STRIPS, _STRIP_BYTES):
            values = struct.unpack_from(f"<{number}I", content, where)
            struct.pack_into(f"<{number}I", content, where, *values[::-1])
    return bytes(content)


def _pyramid(pixels: Array) -> bytes:
    """A TIFF whose smaller copies lie in a SubIFD, as microscopes write it."""
    stream = io.BytesIO()
    colours = "rgb" if pixels.shape[2] == 3 else "minisblack"
    with tifffile.TiffWriter(stream) as writer:
        writer.write(pixels.squeeze(), subifds=1, photometric=colours, metadata=None)
        writer.write(
            np.ascontiguousarray(pixels[::2, ::2]).squeeze(), subfiletype=1, photometric=colours, metadata=None
        )
    return stream.getvalue()


def _with_mask(pixels: Array) -> bytes:
    """A TIFF with a second page that says which pixels are to be seen, as GDAL writes it."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(pixels.squeeze(), photometric="rgb" if pixels.shape[2] == 3 else "minisblack", metadata=None)
        writer.write(np.zeros(pixels.shape[:2], bool), photometric="mask", subfiletype=4, metadata=None)
    return stream.getvalue()


def _four_inks(pixels: Array) -> bytes:
    """A TIFF of four inks that are said not to be cyan, magenta, yellow and black."""
    return _with_tag(tiff(np.repeat(pixels[..., :1], 4, axis=2).astype(np.uint8), 8, CMYK), _INK_SET, 2)


def _interlaced_gif(pixels: Array) -> bytes:
    """A GIF of interlaced rows, whose colours are in a table of its frame, other than that of the file."""
    index = np.minimum(pixels[..., 0], 3).astype(np.uint8)
    height, width = index.shape
    rows = [row for first, by in ((0, 8), (4, 8), (2, 4), (1, 2)) for row in range(first, height, by)]
    # Each code has 3 bits as long as the table is cleared before it grows.
    codes = [code for value in index[rows].ravel().tolist() for code in (4, value)] + [5]
    bits = "".join(format(code, "03b")[::-1] for code in codes)
    packed = bytes(int(bits[at : at + 8].ljust(8, "0")[::-1], 2) for at in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(packed[at : at + 255])]) + packed[at : at + 255] for at in range(0, len(packed), 255))
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 0, 0) + bytes([255, 255, 255] * 4)
    frame = (
        b"," + struct.pack("<HHHHB", 0, 0, width, height, 0xC1) + bytes([0, 0, 0, 255, 255, 255, 9, 9, 9, 70, 70, 70])
    )
    return head + frame + b"\2" + blocks + b"\0;"


def _in_crumbs(pixels: Array) -> bytes:
    """A PNG whose pixels come in chunks of one byte, with empty ones between."""
    bits, colours = 8 * pixels.dtype.itemsize, {1: 0, 3: 2}[pixels.shape[2]]
    whole = png(pixels, bits, colours)
    start = whole.index(b"IDAT") - 4
    (length,) = struct.unpack_from(">I", whole, start)
    body = whole[start + 8 : start + 8 + length]
    crumbs = b"".join(chunk(b"IDAT", body[at : at + 1]) + chunk(b"IDAT", b"") for at in range(length))
    return whole[:start] + crumbs + whole[start + 12 + length :]


def _unknown_interlace(pixels: Array) -> bytes:
    """A PNG that is said to be interlaced in a way that no standard defines."""
    bits, colours = 8 * pixels.dtype.itemsize, {1: 0, 3: 2}[pixels.shape[2]]
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], bits, colours, 0, 0, 7)
    whole = png(pixels, bits, colours, interlaced=True)
    return whole[:8] + chunk(b"IHDR", header) + whole[8 + 25 :]


def _apples(pixels: Array) -> bytes:
    """A PNG as Apple's tools crush it for telephones: a chunk before the header, no zlib header, blue first."""
    bits, colours = 8 * pixels.dtype.itemsize, {1: 0, 3: 2}[pixels.shape[2]]
    whole = png(pixels[..., ::-1], bits, colours)
    start = whole.index(b"IDAT") - 4
    (length,) = struct.unpack_from(">I", whole, start)
    raw = zlib.decompress(whole[start + 8 : start + 8 + length])
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = chunk(b"IDAT", packer.compress(raw) + packer.flush())
    return whole[:8] + chunk(b"CgBI", b"\x50\0\x20\2") + whole[8:start] + body + whole[start + 12 + length :]


def _skipping_bmp(pixels: Array) -> bytes:
    """A BMP of runs that leaves out the second half of every row, whose pixels nobody has told."""
    index = np.minimum(pixels[..., 0], 1).astype(np.uint8)
    whole = bmp(index, 8, np.array([[0, 0, 0], [255, 255, 255]]), rle=True)
    start = struct.unpack_from("<I", whole, 10)[0]
    half = index.shape[1] // 2
    body = (
        b"".join(b"".join(bytes([1, value]) for value in row[:half].tolist()) + b"\0\0" for row in index[::-1])
        + b"\0\1"
    )
    return (
        whole[:2]
        + struct.pack("<I", start + len(body))
        + whole[6:34]
        + struct.pack("<I", len(body))
        + whole[38:start]
        + body
    )


def _old_bmp(pixels: Array) -> bytes:
    """A BMP of OS/2, whose header has 12 bytes."""
    height, width = pixels.shape[:2]
    lines = [row[:, ::-1].astype(np.uint8).tobytes() for row in pixels[::-1]]
    body = b"".join(line.ljust(-(-len(line) // 4) * 4, b"\0") for line in lines)
    header = struct.pack("<IHHHH", 12, width, height, 1, 24)
    return b"BM" + struct.pack("<IHHI", 26 + len(body), 0, 0, 26) + header + body


KINDS.update({
    # Refused.
    "page that masks": _with_mask,
    "four inks": _four_inks,
    "unknown interlacing": _unknown_interlace,
    "Apple's PNG": _apples,
    "BMP that skips": _skipping_bmp,
    # Read, with these very pixels.
    "bits reversed": _reversed_bits,
    "strips backwards": _strips_backwards,
    "pyramid": _pyramid,
    "interlaced GIF": _interlaced_gif,
    "crumbs": _in_crumbs,
    "BMP of OS/2": _old_bmp,
})  # fmt: skip


@step
def volumes_in_parts(here: Path, pattern: str) -> None:
    """Write volumes again with an extension behind the header, packed in three parts, one behind the other."""
    for path in sorted(here.glob(pattern)):
        found = np.asarray(nibabel.Nifti1Image.from_filename(path).dataobj)
        content = bytearray(nifti(found, sform=np.diag([-1.5, -1.5, 8.0, 1.0])[:3]))
        content[348:352] = b"\1\0\0\0"
        struct.pack_into("<f", content, 108, 352 + 32)
        whole = (
            bytes(content[:352]) + struct.pack("<ii", 32, 6) + b"made by hand".ljust(24, b"\0") + bytes(content[352:])
        )
        third = len(whole) // 3
        path.write_bytes(
            b"".join(
                gzip.compress(part, mtime=0) for part in (whole[:third], whole[third : 2 * third], whole[2 * third :])
            )
        )
