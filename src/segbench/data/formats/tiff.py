"""TIFF and BigTIFF (TIFF 6.0, Adobe 1992), decoded by tifffile, which hands out samples as they are stored."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from segbench.data.formats.stored import MAX_BYTES, MAX_PIXELS, Kind, StoredImage, check_pixels
from segbench.errors import DataError
from segbench.words import first_line

# What is wrong with a file stands in our refusal; tifffile would log it as well.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_KINDS: dict[int, Kind] = {
    _WHITE_IS_ZERO: "grey",
    _BLACK_IS_ZERO: "grey",
    _RGB: "RGB",
    _PALETTE: "palette",
    _CMYK: "CMYK",
}
_SAMPLES: dict[Kind, int] = {"grey": 1, "palette": 1, "RGB": 3, "CMYK": 4}
_JPEG, _LOSSY = 7, (7, 50001)
# None, CCITT (3), LZW, JPEG, Deflate (2), PackBits, LZMA, Zstandard, WebP.
_COMPRESSIONS = (1, 2, 3, 4, 5, _JPEG, 8, 32946, 32773, 34925, 50000, 50001)
_PREDICTED = (5, _JPEG, 8, 32946, 34925, 50000)
_ORIENTATION, _PHOTOMETRIC, _COLOR_MAP = 274, 262, 320
# What says how the samples are stored, and where.
_TAGS = {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339}
# Pages looked at to tell an image with previews from a stack.
_MOST_PAGES = 64


def read(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a TIFF of one image; previews (reduced-resolution pages) beside it are left alone.

    Raises:
        DataError: One line: damaged, cut off, several pages, too large, or samples, colours or a compression that are
            not read.
    """
    with _opened(path, stream) as file:
        page = _only_page(path, file)
        kind = _kind_of(path, page)
        _check_layout(path, page)
        values = page.asarray(squeeze=False, maxworkers=1)
        samples, extra = _channels(path, page, values, _SAMPLES[kind])
        return StoredImage(
            path,
            kind,
            samples,
            page.bitspersample,
            _orientation_of(page),
            _palette_of(path, page) if kind == "palette" else None,
            extra,
            inverted=page.photometric == _WHITE_IS_ZERO,
            lossy=page.compression in _LOSSY,
        )


def orientation(path: Path, stream: IO[bytes]) -> int:
    """Return the orientation that a TIFF's first page tells, 1 to 8; 1 where it tells none.

    Raises:
        DataError: If it cannot be read.
    """
    with _opened(path, stream) as file:
        return _orientation_of(file.pages.first)


@contextmanager
def _opened(path: Path, stream: IO[bytes]) -> Iterator[Any]:
    try:
        # Not as OME: its metadata would name other files to read.
        with tifffile.TiffFile(stream, name=path.name, is_ome=False) as file:
            yield file
    except DataError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"{path}: damaged ({first_line(error)})") from None
    except Exception as error:  # a damaged file makes every kind of error in a parser of this size
        raise DataError(f"{path}: damaged, or a TIFF that cannot be read ({first_line(error)})") from None


def _only_page(path: Path, file: Any) -> Any:
    """Return the page of a file that holds one image."""
    count = len(file.pages)
    if not count:
        raise DataError(f"{path}: damaged (no image in it)")
    pages = [file.pages[index] for index in range(min(count, _MOST_PAGES))]
    for page in pages:
        _check_tags(path, page)
    images = [page for page in pages if not page.is_reduced]
    if count > _MOST_PAGES or len(images) != 1:
        sizes = ", ".join(f"{page.imagewidth}x{page.imagelength}" for page in images[:3])
        raise DataError(
            f"{path}: {count if count > _MOST_PAGES else len(images)} pages ({sizes}{', ...' * (len(images) > 3)});"
            " expected a single image: save the one that is meant"
        )
    page = images[0]
    # Both write further images behind the first without pages of their own.
    hidden = int((file.imagej_metadata or {}).get("images", 1)) if file.is_imagej else 1
    if file.is_shaped:
        hidden = max(hidden, *(int(np.prod(found["shape"])) // page.size for found in file.shaped_metadata))
    if hidden > 1 or page.imagedepth > 1:
        raise DataError(f"{path}: a stack of {max(hidden, page.imagedepth)} images; expected a single image")
    return page


def _check_tags(path: Path, page: Any) -> None:
    """Refuse a page of which tifffile left out a tag that it could not read, and took a default in its place."""
    stream, form = page.parent.filehandle, page.parent.tiff
    stream.seek(page.offset)
    (count,) = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))
    entries = stream.read(form.tagsize * count)
    codes = {
        struct.unpack_from(f"{form.byteorder}H", entries, start)[0] for start in range(0, len(entries), form.tagsize)
    }
    if lost := sorted(codes & _TAGS - set(page.tags.keys())):
        raise DataError(f"{path}: damaged (tag {lost[0]} cannot be read)")


def _kind_of(path: Path, page: Any) -> Kind:
    """Return what a pixel's samples are."""
    if _PHOTOMETRIC not in page.tags:
        raise DataError(f"{path}: does not tell what its samples are (no PhotometricInterpretation)")
    if page.photometric == _YCBCR and page.compression == _JPEG:
        # Decoded together with the compression, as in a JPEG file.
        return "RGB"
    kind = _KINDS.get(page.photometric)
    if kind is None:
        name = getattr(page.photometric, "name", page.photometric)
        raise DataError(f"{path}: {name} colours are not read; convert it to grey or RGB")
    return kind


def _check_layout(path: Path, page: Any) -> None:
    """Refuse, before anything is decoded, what is too large, cut off, or of a kind that is not read."""
    check_pixels(path, page.imagewidth, page.imagelength)
    compression = getattr(page.compression, "name", page.compression)
    if page.predictor != 1 and page.compression not in _PREDICTED:
        # libtiff looks over it, others undo it.
        raise DataError(f"{path}: a predictor, which {compression} compression has not; save it with LZW or Deflate")
    if page.compression not in _COMPRESSIONS:
        raise DataError(f"{path}: {compression} compression is not read; save it with LZW, Deflate or none")
    bits = page.bitspersample
    if bits not in (*range(1, 17), 32, 64) or page.dtype is None or page.dtype.kind not in "biuf":
        raise DataError(f"{path}: samples of {bits} bits (format {page.sampleformat}) are not read")
    if page.nbytes > MAX_BYTES or page.tilewidth * page.tilelength > MAX_PIXELS:
        raise DataError(f"{path}: {page.nbytes:,} bytes of samples; at most {MAX_BYTES:,} are read")
    # tifffile fills with zeros what lies beyond the file's end.
    parts = int(np.prod(page.chunked))
    ends = [start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if min(len(page.dataoffsets), len(page.databytecounts)) < parts and not page.is_contiguous:
        raise DataError(f"{path}: damaged (parts of the image are missing)")
    if min(page.databytecounts[:parts], default=0) < 1 or max(ends, default=0) > page.parent.filehandle.size:
        raise DataError(f"{path}: damaged (cut off)")


def _channels(
    path: Path, page: Any, values: NDArray[Any], expected: int
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the samples (H,W,S) of a page's array, and where it is not opaque.

    Args:
        path: The file.
        page: Its page.
        values: As tifffile normalises it: planes, depth, height, width, interleaved samples.
        expected: Samples of a pixel's colour.
    """
    planes, _, height, width, samples = values.shape
    pixels = np.moveaxis(values, 0, 3).reshape(height, width, planes * samples)
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8)
    count = pixels.shape[2]
    if count == expected:
        return pixels, None
    if count != expected + 1:
        raise DataError(f"{path}: {count} channels; expected grey or RGB, with opacity at most")
    most = 1 if pixels.dtype.kind == "f" else 2**page.bitspersample - 1
    return pixels[..., :-1], np.asarray(pixels[..., -1] != most)


def _palette_of(path: Path, page: Any) -> NDArray[Any]:
    """Return the colours (N,3), of 8 bits where the 16 that TIFF has for them are made of 8."""
    if _COLOR_MAP not in page.tags or page.colormap is None or page.colormap.ndim != 2:
        raise DataError(f"{path}: damaged (a palette image without its palette)")
    colours = np.asarray(page.colormap).T
    # 257 widens 8 bits to 16 as the specification asks for; some programs shift them.
    step = next((step for step in (257, 256) if not (colours % step).any()), None)
    return colours if step is None else (colours // step).astype(np.uint8)


def _orientation_of(page: Any) -> int:
    value = page.tags.valueof(_ORIENTATION, 1)
    return int(value) if value in range(1, 9) else 1
