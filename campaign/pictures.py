"""Steps that write an image or mask in another way: what the catalogue calls kinds of pictures and of volumes."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tests.data.formats.writers import bmp, chunk, exif, gif, nifti, png, tiff

from campaign.scenes import idx, volume
from campaign.steps import step

Array = NDArray[Any]
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, LAB = 0, 1, 2, 3, 5, 8


@step
def picture(here: Path, pattern: str, kind: str) -> None:
    """Write pictures again, with their pixels, as a file of another kind; names stay."""
    for path in sorted(here.glob(pattern)):
        path.write_bytes(KINDS[kind](_pixels(path)))


def _pixels(path: Path) -> Array:
    """Return stored values, (H,W,S)."""
    pixels = tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _samples(pixels: Array) -> tuple[int, int]:
    """Return a PNG's bits and colour type."""
    return 8 * pixels.dtype.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[pixels.shape[2]]


def _png(pixels: Array, extra: bytes = b"", **options: Any) -> bytes:
    return png(pixels, *_samples(pixels), extra, **options)


def _pillow(pixels: Array, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(_eight(pixels).squeeze()).save(stream, format, **options)
    return stream.getvalue()


def _eight(pixels: Array) -> NDArray[np.uint8]:
    """Return pixels of 8 bits, whatever they had: for what is refused anyhow."""
    return pixels.astype(np.uint8)


def _tiff(pixels: Array, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels.squeeze(), photometric="rgb" if pixels.shape[2] == 3 else "minisblack", **options)
    return stream.getvalue()


def _with(pixels: Array, value: float, dtype: Any = None) -> Array:
    """Return pixels with three of this value."""
    spoilt = pixels.astype(dtype or pixels.dtype)
    spoilt[1, 1:4] = value
    return spoilt


def _opacity(pixels: Array, least: int) -> Array:
    """Return pixels with an alpha channel, one of them less opaque."""
    top = np.iinfo(pixels.dtype).max
    alpha = np.full((*pixels.shape[:2], 1), top, pixels.dtype)
    alpha[0, 0] = least
    return np.concatenate([pixels, alpha], axis=2)


def _apng(pixels: Array) -> bytes:
    first, second = (Image.fromarray(_eight(pixels).squeeze()) for _ in range(2))
    stream = io.BytesIO()
    second.putpixel((0, 0), 200 if second.mode == "L" else (200, 0, 0))
    first.save(stream, "PNG", save_all=True, append_images=[second])
    return stream.getvalue()


def _claim(pixels: Array) -> bytes:
    """A PNG of a few bytes that claims 40,000 x 40,000 pixels."""
    bits, colours = _samples(pixels)
    header = struct.pack(">IIBBBBB", 40_000, 40_000, bits, colours, 0, 0, 0)
    body = zlib.compress(bytes(1 << 16))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _tiff_claim(pixels: Array) -> bytes:
    content = bytearray(tiff(pixels, 8 * pixels.dtype.itemsize, BLACK_IS_ZERO if pixels.shape[2] == 1 else RGB))
    for tag in (256, 257):
        place = content.index(struct.pack("<HHI", tag, 4, 1))
        content[place + 8 : place + 12] = struct.pack("<I", 200_000)
    return bytes(content)


def _short_png(pixels: Array) -> bytes:
    """A PNG whose checksums are right and whose last rows are missing."""
    whole = _png(pixels[: len(pixels) // 2])
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], *_samples(pixels), 0, 0, 0)
    return whole[:8] + chunk(b"IHDR", head) + whole[8 + 25 :]


def _bad_checksum(pixels: Array) -> bytes:
    content = bytearray(_png(pixels))
    content[-20] ^= 4
    return bytes(content)


def _palette(pixels: Array, colours: list[int]) -> bytes:
    """A PNG of indices with a palette of these colours."""
    return png(pixels[..., :1], 8, 3, chunk(b"PLTE", bytes(colours)))


KINDS: dict[str, Callable[[Array], bytes]] = {
    # Refused, as images or as masks.
    "deeper": lambda pixels: _png(pixels.astype(np.uint16) * (257 if pixels.dtype == np.uint8 else 1)),
    "shallower": lambda pixels: _png(_eight(pixels)),
    "float": lambda pixels: _tiff((pixels / 255).astype(np.float32)),
    "NaN": lambda pixels: _tiff(_with(pixels, np.nan, np.float32)),
    "infinite": lambda pixels: _tiff(_with(pixels, np.inf, np.float64)),
    "complex": lambda pixels: _tiff(pixels[..., :1].astype(np.complex64)),
    "halves": lambda pixels: _tiff(_with(pixels, 0.5, np.float32)),
    "negative": lambda pixels: _tiff(_with(pixels[..., :1], -1, np.int16)),
    "huge label": lambda pixels: _tiff(_with(pixels[..., :1], 2**40, np.int64)),
    "label 201": lambda pixels: _png(_with(pixels, 201)),
    "label 257": lambda pixels: _png(_with(pixels.astype(np.uint16), 257)),
    "transparent": lambda pixels: _png(_opacity(pixels, 0)),
    "transparent colour": lambda pixels: _png(pixels, chunk(b"tRNS", pixels[0, 0].astype(">u2").tobytes())),
    "two frames of a PNG": _apng,
    "two pages": lambda pixels: tiff(pixels, 8 * pixels.dtype.itemsize, RGB if pixels.shape[2] == 3 else 1, pages=2),
    "two frames of a GIF": lambda pixels: gif(_eight(pixels)[..., 0] % 4, np.arange(12).reshape(4, 3) * 20, frames=2),
    "two frames of a WebP": lambda pixels: _pillow(
        pixels, "WEBP", save_all=True, append_images=[Image.new("RGB", pixels.shape[1::-1])]
    ),
    "part of a GIF's screen": lambda pixels: gif(
        _eight(pixels)[:-2, :, 0] % 4, np.arange(12).reshape(4, 3) * 20, size=pixels.shape[:2]
    ),
    "JPEG": lambda pixels: _pillow(pixels, "JPEG", quality=90),
    "lossy WebP": lambda pixels: _pillow(pixels, "WEBP", quality=90),
    "JPEG in a TIFF": lambda pixels: _pillow(pixels, "TIFF", compression="jpeg"),
    "PPM": lambda pixels: _pillow(pixels, "PPM"),
    "PCX": lambda pixels: _pillow(pixels, "PCX"),
    "JPEG 2000": lambda pixels: _pillow(pixels, "JPEG2000"),
    "CMYK of 16 bits": lambda pixels: tiff(np.repeat(pixels[..., :1], 4, axis=2), 16, CMYK),
    "CMYK": lambda pixels: tiff(np.repeat(_eight(pixels)[..., :1], 4, axis=2), 8, CMYK),
    "Lab": lambda pixels: tiff(np.repeat(_eight(pixels)[..., :1], 3, axis=2), 8, LAB),
    "claims 40,000 x 40,000": _claim,
    "claims 200,000 x 200,000": _tiff_claim,
    "too few rows": _short_png,
    "bad checksum": _bad_checksum,
    "index without a colour": lambda pixels: _palette(_with(pixels, 7), [0, 0, 0, 9, 9, 9]),
    "smaller": lambda pixels: _png(pixels[:-3]),
    "turned": lambda pixels: _png(np.ascontiguousarray(pixels.transpose(1, 0, 2))),
    "upside down by EXIF": lambda pixels: _png(pixels, chunk(b"eXIf", exif(3))),
    "colours": lambda pixels: _png(np.repeat(_eight(pixels)[..., :1], 3, axis=2)),
    "grey": lambda pixels: _png(pixels[..., :1]),
    "third stain": lambda pixels: _png(_with(pixels, 9)),
    "empty": lambda pixels: _png(np.zeros_like(pixels)),
    "constant": lambda pixels: _png(np.full_like(pixels, 77)),
    # Read, with these very pixels.
    "PNG": _png,
    "interlaced PNG": lambda pixels: _png(pixels, interlaced=True),
    "opaque": lambda pixels: _png(_opacity(pixels, np.iinfo(pixels.dtype).max)),
    "TIFF": lambda pixels: _tiff(pixels),
    "big-endian TIFF": lambda pixels: tiff(
        pixels, 8 * pixels.dtype.itemsize, RGB if pixels.shape[2] == 3 else BLACK_IS_ZERO, order=">", rows=5
    ),
    "planar TIFF": lambda pixels: tiff(pixels, 8, RGB if pixels.shape[2] == 3 else BLACK_IS_ZERO, planar=True),
    "tiled TIFF": lambda pixels: tiff(
        pixels, 8 * pixels.dtype.itemsize, RGB if pixels.shape[2] == 3 else BLACK_IS_ZERO, tile=(16, 16), compression=8
    ),
    "LZW TIFF": lambda pixels: _tiff(pixels, compression="lzw", predictor=2),
    "BigTIFF": lambda pixels: _tiff(pixels, bigtiff=True),
    "WhiteIsZero": lambda pixels: tiff(pixels[..., :1], 8 * pixels.dtype.itemsize, WHITE_IS_ZERO),
    "float integers": lambda pixels: _tiff(pixels.astype(np.float64)),
    "signed": lambda pixels: _tiff(pixels.astype(np.int32)),
    "64 bits": lambda pixels: _tiff(pixels.astype(np.uint64)),
    "BMP": lambda pixels: _pillow(pixels, "BMP"),
    "top-down BMP": lambda pixels: bmp(pixels, 24, top_down=True),
    "lossless WebP": lambda pixels: _pillow(np.repeat(pixels, 3 // pixels.shape[2], axis=2), "WEBP", lossless=True),
    "2 bits": lambda pixels: png(pixels[..., :1], 2, 0),
    "1 bit": lambda pixels: png(pixels[..., :1] > 0, 1, 0),
    "4-bit palette": lambda pixels: png(pixels[..., :1], 4, 3, chunk(b"PLTE", bytes(range(48)))),
    "white first": lambda pixels: _palette(1 - np.minimum(pixels, 1), [255, 255, 255, 0, 0, 0]),
    "white first, as GIF": lambda pixels: gif(
        1 - np.minimum(pixels[..., 0], 1), np.array([[255, 255, 255], [0, 0, 0]])
    ),
}  # fmt: skip


@step
def nifti_volume(
    here: Path, pattern: str, packed: bool = True, label: bool = False, number: str = "i2", **header: Any
) -> None:
    """Write volumes again with another header: the arguments of :func:`tests.data.formats.writers.nifti`."""
    voxels, labels = volume(1)
    for path in sorted(here.glob(pattern)):
        content = nifti((labels if label else voxels).astype(number), **header)
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)


@step
def volumes_as(
    here: Path, pattern: str, units: int = 2, scale: float = 1.0, packed: bool = True, further: int = 0, **header: Any
) -> None:
    """Write volumes again with their voxels and places, in another unit, version or order of bytes.

    Args:
        here: The case's folder.
        pattern: The volumes.
        units: ``xyzt_units``.
        scale: How many of the unit make 1 mm.
        packed: Whether they are packed; if not, ``.gz`` leaves their names.
        further: How many dimensions of length 1 they get.
        header: Arguments of :func:`tests.data.formats.writers.nifti`; ``number`` the type of the voxels.
    """
    number = header.pop("number", None)
    for path in sorted(here.glob(pattern)):
        found = np.asarray(nibabel.Nifti1Image.from_filename(path).dataobj)
        stored = found.astype(number or found.dtype).reshape(*found.shape, *[1] * further)
        rows = np.diag([-1.5 * scale, -1.5 * scale, 8 * scale, 1])[:3]
        spacing = [size * scale for size in (1.5, 1.5, 8.0)]
        content = nifti(stored, units=units, spacing=spacing, sform=rows, **header)
        if packed:
            path.write_bytes(gzip.compress(content, mtime=0))
        else:
            path.unlink()
            path.with_suffix("").write_bytes(content)


@step
def voxels(here: Path, pattern: str, value: float | str, number: str = "f4") -> None:
    """Write volumes again with three voxels of this value."""
    found = volume(1)[1 if "_gt" in pattern else 0].astype(number)
    found[3:6, 3, 1] = float(value)
    rows = np.diag([-1.5, -1.5, 8.0, 1.0])[:3]
    for path in sorted(here.glob(pattern)):
        path.write_bytes(gzip.compress(nifti(found, sform=rows), mtime=0))


@step
def digits(here: Path, name: str, fault: str) -> None:
    """Write a file of MNIST's again, with a fault."""
    claim = b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 28, 28)
    labels = np.full(60, 200, np.uint8)
    content = {
        "label": lambda: idx(labels),
        "size": lambda: idx(np.zeros((60, 14, 14), np.uint8)),
        "claim": lambda: gzip.compress(claim + bytes(1000)),
        "floats": lambda: gzip.compress(b"\0\0\x0d\x03" + struct.pack(">3I", 60, 28, 28) + bytes(60 * 28 * 28 * 4)),
        "bomb": lambda: _packed_zeros(b"\0\0\x08\x03" + struct.pack(">3I", 60, 28, 28)),
    }
    (here / name).write_bytes(content[fault]())


def _packed_zeros(head: bytes, size: int = 4 << 30) -> bytes:
    """Return gigabytes of zeros behind a header, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 26)
    return packer.compress(head) + b"".join(packer.compress(block) for _ in range(size >> 26)) + packer.flush()
