"""TIFF and BigTIFF (TIFF 6.0, Adobe 1992), decoded by tifffile, which returns samples as stored."""

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

# Our errors already say what tifffile logs.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_KINDS: dict[int, Kind] = {
    _WHITE_IS_ZERO: "grey", _BLACK_IS_ZERO: "grey", _RGB: "RGB", _PALETTE: "palette", _CMYK: "CMYK"
}  # fmt: skip
_SAMPLES: dict[Kind, int] = {"grey": 1, "palette": 1, "RGB": 3, "CMYK": 4}
# Compressions: none, CCITT (2 to 4), LZW, JPEG, Deflate (8 and 32946), PackBits, LZMA, Zstandard, WebP.
_JPEG, _LOSSY = 7, (7, 50001)
_COMPRESSIONS = (1, 2, 3, 4, 5, _JPEG, 8, 32946, 32773, 34925, 50000, 50001)
_WITH_PREDICTOR = (5, 8, 32946, 34925, 50000)
_ORIENTATION, _PHOTOMETRIC, _COLOR_MAP, _INK_SET = 274, 262, 320, 332
# The tags that say how and where samples are stored.
_LAYOUT_TAGS = {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339}
# Most pages of a file with thumbnails; one with more is a stack.
_MAX_PAGES = 64


def read(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a TIFF with one image; thumbnails (reduced-resolution pages) are skipped.

    Raises:
        DataError: If it is damaged, truncated or too large, has several pages, or has unsupported samples, colours or
            compression.
    """
    with _opened(path, stream) as file:
        return _stored(path, _single_page(path, file))


def read_pages(path: Path, stream: IO[bytes]) -> list[StoredImage]:
    """Read all images of a TIFF, in their order; thumbnails are skipped. They may have any number of channels.

    Raises:
        DataError: As :func:`read`, but for the number of pages; if the pages differ in size.
    """
    with _opened(path, stream) as file:
        if len(file.pages) < 2:
            return [_stored(path, _single_page(path, file), channels=True)]
        for page in file.pages:
            _check_tags(path, page)
        pages = [page for page in file.pages if not page.is_reduced]
        if len(sizes := sorted({(page.imagewidth, page.imagelength) for page in pages})) > 1:
            shown = " and ".join(f"{width}x{height}" for width, height in sizes[:2])
            raise DataError(f"{path}: {len(pages)} pages of several sizes ({shown}); save each as a file")
        if (total := sum(page.nbytes for page in pages)) > MAX_BYTES:
            raise DataError(f"{path}: {total:,} bytes of samples; at most {MAX_BYTES:,} are read")
        return [_stored(path, page, channels=True) for page in pages]


def _stored(path: Path, page: Any, channels: bool = False) -> StoredImage:
    """Return a decoded page; with ``channels``, one of any number of channels too."""
    kind = _kind_of(path, page)
    _check_layout(path, page)
    values = page.asarray(squeeze=False, maxworkers=1)
    if channels and kind in ("grey", "RGB") and page.extrasamples and not any(page.extrasamples):
        # Further samples that are said to be no opacity.
        kind, (samples, see_through) = "channels", _channels(path, page, values, page.samplesperpixel)
    else:
        samples, see_through = _channels(path, page, values, _SAMPLES[kind])
    return StoredImage(
        path,
        kind,
        samples,
        page.bitspersample,
        _orientation_of(page),
        _palette_of(path, page) if kind == "palette" else None,
        see_through,
        inverted=page.photometric == _WHITE_IS_ZERO,
        lossy=page.compression in _LOSSY,
    )


def orientation(path: Path, stream: IO[bytes]) -> int:
    """Return the orientation of a TIFF's image, of several the first one's, 1 to 8; 1 if there is none.

    Raises:
        DataError: If the file is damaged.
    """
    with _opened(path, stream) as file:
        if not file.pages:
            raise DataError(f"{path}: damaged (no image in it)")
        return _orientation_of(next((page for page in file.pages if not page.is_reduced), file.pages[0]))


@contextmanager
def _opened(path: Path, stream: IO[bytes]) -> Iterator[Any]:
    try:
        # OME metadata may name other files, which tifffile would open.
        with tifffile.TiffFile(stream, name=path.name, is_ome=False) as file:
            yield file
    except DataError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"{path}: damaged ({first_line(error)})") from None
    except Exception as error:  # damaged files raise errors of many types in tifffile
        raise DataError(f"{path}: damaged or an unsupported kind of TIFF ({first_line(error)})") from None


def _single_page(path: Path, file: Any) -> Any:
    """Return the page with the image."""
    count = len(file.pages)
    if not count:
        raise DataError(f"{path}: damaged (no image in it)")
    pages = [file.pages[index] for index in range(min(count, _MAX_PAGES))]
    for page in pages:
        _check_tags(path, page)
    images = [page for page in pages if not page.is_reduced]
    if count > _MAX_PAGES or len(images) != 1:
        sizes = ", ".join(f"{page.imagewidth}x{page.imagelength}" for page in images[:3])
        found = count if count > _MAX_PAGES else len(images)
        raise DataError(f"{path}: {found} pages ({sizes}{', ...' * (len(images) > 3)}); expected a single image")
    page = images[0]
    # ImageJ and tifffile can append images without giving them pages.
    images_inside = int((file.imagej_metadata or {}).get("images", 1)) if file.is_imagej else 1
    if file.is_shaped:
        shapes = [found["shape"] for found in file.shaped_metadata]
        images_inside = max(images_inside, *(int(np.prod(shape)) // page.size for shape in shapes))
    if max(images_inside, page.imagedepth) > 1:
        raise DataError(f"{path}: a stack of {max(images_inside, page.imagedepth)} images; expected a single image")
    return page


def _check_tags(path: Path, page: Any) -> None:
    """Check that tifffile could read every layout tag, as it replaces damaged ones by defaults."""
    stream, form = page.parent.filehandle, page.parent.tiff
    stream.seek(page.offset)
    (count,) = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))
    entries = stream.read(form.tagsize * count)
    starts = range(0, len(entries), form.tagsize)
    codes = {struct.unpack_from(f"{form.byteorder}H", entries, start)[0] for start in starts}
    if lost := sorted(codes & _LAYOUT_TAGS - set(page.tags.keys())):
        raise DataError(f"{path}: damaged (tag {lost[0]} cannot be read)")


def _kind_of(path: Path, page: Any) -> Kind:
    """Return what a pixel's samples are once decoded."""
    if _PHOTOMETRIC not in page.tags:
        raise DataError(
            f"{path}: no PhotometricInterpretation, so its samples' meaning is unknown; save it as grey or RGB"
        )
    if page.photometric == _YCBCR and page.compression == _JPEG:
        # The JPEG decoder converts it.
        return "RGB"
    if page.photometric == _CMYK and page.tags.valueof(_INK_SET, 1) != 1:
        raise DataError(f"{path}: four inks that are not cyan, magenta, yellow and black (InkSet); convert it to RGB")
    kind = _KINDS.get(page.photometric)
    if kind is None:
        name = getattr(page.photometric, "name", page.photometric)
        raise DataError(f"{path}: {name} colours are not read; convert it to grey or RGB")
    return kind


def _check_layout(path: Path, page: Any) -> None:
    """Check, before decoding, that a page is complete, not too large, and of a supported kind."""
    check_pixels(path, page.imagewidth, page.imagelength)
    compression = getattr(page.compression, "name", page.compression)
    if page.compression not in _COMPRESSIONS:
        raise DataError(f"{path}: {compression} compression is not read; save it with LZW, Deflate or none")
    if page.predictor != 1 and page.compression not in _WITH_PREDICTOR:
        # libtiff ignores the tag in this case, tifffile does not.
        raise DataError(f"{path}: a predictor with {compression} compression is ambiguous; save it with LZW or Deflate")
    bits = page.bitspersample
    if bits not in (*range(1, 17), 32, 64) or page.dtype is None or page.dtype.kind not in "biuf":
        raise DataError(f"{path}: samples of {bits} bits (format {page.sampleformat}) are not read")
    if page.nbytes > MAX_BYTES or page.tilewidth * page.tilelength > MAX_PIXELS:
        raise DataError(f"{path}: {page.nbytes:,} bytes of samples; at most {MAX_BYTES:,} are read")
    # tifffile fills missing parts with zeros.
    parts = int(np.prod(page.chunked))
    ends = [start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if min(len(page.dataoffsets), len(page.databytecounts)) < parts and not page.is_contiguous:
        raise DataError(f"{path}: damaged (parts of the image are missing)")
    if min(page.databytecounts[:parts], default=0) < 1 or max(ends, default=0) > page.parent.filehandle.size:
        raise DataError(f"{path}: damaged (truncated)")


def _channels(
    path: Path, page: Any, values: NDArray[Any], expected: int
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the colour samples (H,W,S) of a page, and which pixels are not opaque.

    Args:
        path: The file.
        page: The page.
        values: The page's array as tifffile normalises it: (planes, depth, H, W, interleaved samples).
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
        raise DataError(f"{path}: {count} channels; expected grey or RGB, with at most an alpha channel")
    opaque = 1 if pixels.dtype.kind == "f" else 2**page.bitspersample - 1
    return pixels[..., :-1], np.asarray(pixels[..., -1] != opaque)


def _palette_of(path: Path, page: Any) -> NDArray[Any]:
    """Return the colours (N,3) of a page's palette, as uint8 if its 16-bit entries were made from 8 bits."""
    if _COLOR_MAP not in page.tags or page.colormap is None or page.colormap.ndim != 2:
        raise DataError(f"{path}: damaged (a palette image without a palette)")
    colours = np.asarray(page.colormap).T
    # The specification multiplies 8 bits by 257; some programs multiply by 256.
    step = next((step for step in (257, 256) if not (colours % step).any()), None)
    return colours if step is None else (colours // step).astype(np.uint8)


def _orientation_of(page: Any) -> int:
    value = page.tags.valueof(_ORIENTATION, 1)
    return int(value) if value in range(1, 9) else 1
