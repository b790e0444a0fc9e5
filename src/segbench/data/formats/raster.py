"""JPEG, GIF, BMP, WebP, and PNG of up to 8 bits, decoded by Pillow, whose modes represent these exactly."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, WebPImagePlugin  # noqa: F401 - importing it registers WebP

from segbench.data.formats.stored import MAX_PIXELS, Kind, StoredImage, check_pixels
from segbench.errors import DataError
from segbench.words import first_line

_ORIENTATION = 0x0112
_KINDS: dict[str, Kind] = {
    "1": "grey", "L": "grey", "LA": "grey", "P": "palette", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"
}  # fmt: skip
# Most pixels per byte of run-length encoding: two bytes encode a run of 255.
_MOST_RLE = 128
# BMP's number for runs of 4 bits.
_RLE4 = 2
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")


@contextmanager
def opened(path: Path, stream: IO[bytes], formats: tuple[str, ...] = FORMATS) -> Iterator[Any]:
    """Open a file with Pillow, as one of these formats only.

    Raises:
        DataError: If it has another format, or is damaged or too large; also for errors while it is open.
    """
    try:
        with warnings.catch_warnings():
            # Warnings about Pillow's own limit, which is below ours, and about damaged metadata.
            warnings.simplefilter("ignore")
            image = Image.open(stream, formats=formats)
            check_pixels(path, *image.size)
            yield image
    except UnidentifiedImageError:
        raise DataError(f"{path}: damaged (no valid header)") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: larger than {MAX_PIXELS:,} pixels") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error) as error:
        # Pillow's own errors have no errno; one with it is the operating system's, and the file may be intact.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{path}: damaged ({first_line(error)})") from None


def reject_frames(path: Path, image: Any) -> None:
    """Check that an image is not an animation.

    Raises:
        DataError: If it is; gives the number of frames.
    """
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise DataError(f"{path}: {frames} frames; expected a single image")


def orientation(path: Path, stream: IO[bytes]) -> int:
    """Return the EXIF orientation of a file, 1 to 8; 1 if there is none.

    Raises:
        DataError: If the file is not an image.
    """
    with opened(path, stream) as image:
        return orientation_of(image)


def orientation_of(image: Any) -> int:
    """Return the EXIF orientation of an image opened by Pillow, 1 to 8."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, OSError, KeyError, IndexError, TypeError, struct.error):
        # Damaged EXIF metadata: viewers ignore it too.
        return 1
    return value if value in range(1, 9) else 1


def read_jpeg(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a JPEG, or the first picture of an MPO (a camera's JPEG followed by a preview or a second view)."""
    with opened(path, stream, ("JPEG",)) as image:
        return stored(path, image, lossy=True)


def read_gif(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a GIF with one frame that covers the whole screen."""
    with opened(path, stream, ("GIF",)) as image:
        reject_frames(path, image)
        if any(tuple(tile[1]) != (0, 0, *image.size) for tile in image.tile):
            raise DataError(f"{path}: its frame does not cover the GIF's canvas of {image.width}x{image.height} pixels")
        return stored(path, image)


def read_bmp(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a BMP of any depth; the 5 or 6 bits per sample of a 16-bit BMP are scaled to 8."""
    with opened(path, stream, ("BMP",)) as image:
        if any(tile[0] == "bmp_rle" for tile in image.tile):
            if image.width * image.height > _MOST_RLE * path.stat().st_size:
                raise DataError(f"{path}: damaged (truncated)")
            stream.seek(image.tile[0][2])
            if not _runs_tell_all(stream.read(), image.width, image.height, half=image.info["compression"] == _RLE4):
                raise DataError(f"{path}: its runs do not tell every pixel once; save it without run-length encoding")
            stream.seek(0)
        return stored(path, image)


def _runs_tell_all(runs: bytes, width: int, height: int, half: bool) -> bool:
    """Say whether run-length encoding tells each pixel once, row by row; Pillow makes zeros of those it leaves out.

    Args:
        runs: The encoded pixels.
        width: Pixels of a row.
        height: Rows.
        half: Whether two pixels are in a byte (RLE4).
    """
    place, row, column = 0, 0, 0
    while place + 1 < len(runs):
        count, what = runs[place], runs[place + 1]
        place += 2
        if count:
            column += count
        elif what > 2:
            column += what
            size = (what + 1) // 2 if half else what
            place += size + size % 2
        elif what == 0 and column == width:
            row, column = row + 1, 0
        else:
            # The end, also of a last row that has none of its own; or a row that is too short, or a leap.
            return what == 1 and (row, column) in ((height, 0), (height - 1, width))
        if column > width:
            return False
    return False


def read_webp(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a WebP with one frame."""
    lossy = not _is_lossless(stream)
    stream.seek(0)
    with opened(path, stream, ("WEBP",)) as image:
        reject_frames(path, image)
        return stored(path, image, lossy=lossy, greyless=True)


def _is_lossless(stream: IO[bytes]) -> bool:
    """Say whether the image of a WebP is a VP8L chunk."""
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, length = head[:4], struct.unpack("<I", head[4:])[0]
        if kind in (b"VP8L", b"VP8 "):
            return kind == b"VP8L"
        # Chunks are padded to an even length.
        stream.seek(length + length % 2, 1)
    return False


def stored(
    path: Path, image: Any, *, bits: int = 8, step: int = 1, lossy: bool = False, greyless: bool = False
) -> StoredImage:
    """Decode an image of up to 8 bits that Pillow has opened.

    Args:
        path: The file.
        image: The opened image.
        bits: Bits per sample in the file.
        step: The factor by which Pillow multiplies the file's samples.
        lossy: As in :class:`StoredImage`.
        greyless: As in :class:`StoredImage`.

    Raises:
        DataError: If none of Pillow's modes represents it exactly.
    """
    turn = orientation_of(image)
    image.load()
    mode, palette, see_through = image.mode, None, None
    if mode not in _KINDS:
        raise DataError(f"{path}: pixels of mode {mode} are not read; convert it to grey or RGB")
    samples = np.asarray(image).reshape(image.height, image.width, -1)
    samples = samples // samples.dtype.type(step) if step > 1 else samples
    if mode in ("LA", "RGBA"):
        samples, see_through = samples[..., :-1], samples[..., -1] < np.iinfo(samples.dtype).max
    elif (key := image.info.get("transparency")) is not None:
        see_through = _transparent(samples, key)
    if mode == "P":
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    if mode == "1":
        samples, bits = samples.astype(np.uint8), 1
    return StoredImage(path, _KINDS[mode], samples, bits, turn, palette, see_through, lossy=lossy, greyless=greyless)


def _transparent(samples: NDArray[Any], key: Any) -> NDArray[np.bool_]:
    """Return which pixels are not opaque, from a transparent colour or index, or from the opacity of each index."""
    if isinstance(key, bytes):
        opacity = np.full(256, 255, np.uint8)
        opacity[: len(key)] = np.frombuffer(key[:256], np.uint8)
        return np.asarray(opacity[samples[..., 0]] < 255)
    # For 1 bit per pixel Pillow gives 255 for 1.
    return np.asarray((samples == np.asarray(key, bool if samples.dtype == bool else None)).all(axis=2))
