"""JPEG, GIF, BMP and WebP, and PNG of 8 bits and less: decoded by Pillow, whose modes lose nothing of these."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, WebPImagePlugin  # noqa: F401 - WebP is opened only once imported

from segbench.data.formats.stored import MAX_PIXELS, Kind, StoredImage, check_pixels
from segbench.errors import DataError
from segbench.words import first_line

_ORIENTATION = 0x0112
_KINDS: dict[str, Kind] = {
    "1": "grey", "L": "grey", "LA": "grey", "P": "palette", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"
}  # fmt: skip
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "WEBP")


@contextmanager
def opened(path: Path, stream: IO[bytes], formats: tuple[str, ...] = FORMATS) -> Iterator[Any]:
    """Open a file with Pillow, as one of these formats alone.

    Raises:
        DataError: One line, also for what goes wrong while it is open: no such image, damaged, or too large.
    """
    try:
        with warnings.catch_warnings():
            # Of Pillow's own limit, which lies below ours, and of damage that it reads over in tags that are not used.
            warnings.simplefilter("ignore")
            image = Image.open(stream, formats=formats)
            check_pixels(path, *image.size)
            yield image
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image, or damaged at its beginning") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: larger than {MAX_PIXELS:,} pixels") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error) as error:
        # Pillow's own errors have no number: one that has is the operating system's, and the file may be whole.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{path}: damaged ({first_line(error)})") from None


def refuse_frames(path: Path, image: Any) -> None:
    """Refuse an animation.

    Raises:
        DataError: With the number of frames.
    """
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise DataError(f"{path}: {frames} frames; expected a single image: save the one that is meant")


def orientation(path: Path, stream: IO[bytes]) -> int:
    """Return the EXIF orientation of a file, 1 to 8; 1 where it tells none.

    Raises:
        DataError: If the file is no image.
    """
    with opened(path, stream) as image:
        return orientation_of(image)


def orientation_of(image: Any) -> int:
    """Return the EXIF orientation of an image opened by Pillow, 1 to 8."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, OSError, KeyError, IndexError, TypeError, struct.error):
        # A block of EXIF that nobody can read turns nothing.
        return 1
    return value if value in range(1, 9) else 1


def read_jpeg(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a JPEG; of an MPO, with which cameras put a preview or a second view behind it, the first picture."""
    with opened(path, stream, ("JPEG",)) as image:
        return stored(path, image, lossy=True)


def read_gif(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a GIF of one frame, which must cover its screen."""
    with opened(path, stream, ("GIF",)) as image:
        refuse_frames(path, image)
        if any(tuple(tile[1]) != (0, 0, *image.size) for tile in image.tile):
            raise DataError(f"{path}: its picture does not cover the GIF's screen of {image.width}x{image.height}")
        return stored(path, image)


def read_bmp(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a BMP of any depth; the 5 and 6 bits of 16-bit ones are widened to 8."""
    with opened(path, stream, ("BMP",)) as image:
        return stored(path, image)


def read_webp(path: Path, stream: IO[bytes]) -> StoredImage:
    """Read a WebP of one frame."""
    lossy = not _is_lossless(stream)
    stream.seek(0)
    with opened(path, stream, ("WEBP",)) as image:
        refuse_frames(path, image)
        return stored(path, image, lossy=lossy, greyless=True)


def _is_lossless(stream: IO[bytes]) -> bool:
    """Say whether a WebP's picture is VP8L; of any other, also of an animation, it is not known to be."""
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        kind, length = head[:4], struct.unpack("<I", head[4:])[0]
        if kind in (b"VP8L", b"VP8 "):
            return kind == b"VP8L"
        stream.seek(length + length % 2, 1)
    return False


def stored(
    path: Path, image: Any, *, bits: int = 8, step: int = 1, lossy: bool = False, greyless: bool = False
) -> StoredImage:
    """Decode an image of 8 bits or less that Pillow opened.

    Args:
        path: The file.
        image: The opened image.
        bits: Bits of a sample in the file.
        step: By what Pillow multiplies the file's samples.
        lossy: Whether values change when such a file is written.
        greyless: Whether the format stores grey as RGB.

    Raises:
        DataError: If Pillow has no mode that holds it unchanged.
    """
    turn = orientation_of(image)
    image.load()
    mode, palette, see_through = image.mode, None, None
    if mode not in _KINDS:
        raise DataError(f"{path}: pixels of kind {mode} are not read; convert it to grey or RGB")
    samples = np.asarray(image).reshape(image.height, image.width, -1)
    samples = samples // samples.dtype.type(step) if step > 1 else samples
    if mode in ("LA", "RGBA"):
        samples, see_through = samples[..., :-1], samples[..., -1] < np.iinfo(samples.dtype).max
    elif (key := image.info.get("transparency")) is not None:
        see_through = _keyed(samples, key)
    if mode == "P":
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    if mode == "1":
        samples, bits = samples.astype(np.uint8), 1
    return StoredImage(path, _KINDS[mode], samples, bits, turn, palette, see_through, lossy=lossy, greyless=greyless)


def _keyed(samples: NDArray[Any], key: Any) -> NDArray[np.bool_]:
    """Return which pixels are not opaque by a transparent colour, an index, or the opacity of each index."""
    if isinstance(key, bytes):
        opacity = np.full(256, 255, np.uint8)
        opacity[: len(key)] = np.frombuffer(key[:256], np.uint8)
        return np.asarray(opacity[samples[..., 0]] < 255)
    # Of one bit Pillow gives 255 for 1.
    return np.asarray((samples == np.asarray(key, bool if samples.dtype == bool else None)).all(axis=2))
