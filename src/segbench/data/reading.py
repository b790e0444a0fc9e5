"""Strict reading of image and mask files: anything ambiguous is an error."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from segbench.data.plane import resample, resample_labels
from segbench.data.records import unreadable
from segbench.errors import DataError
from segbench.words import first_line

MAX_PIXELS = 100_000_000
_MAX_LABEL = 65535
# Not a class index: between the classes and 255 (ignored).
_UNKNOWN = 254
_MASK_MODES = ("1", "L", "P", "I;16", "I;16B", "I;16L", "I")
_GREY_BITS = {"L": 8, "I;16": 16, "I;16B": 16, "I;16L": 16}
_IMAGE_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")


def read_image(path: Path, channels: int) -> NDArray[np.uint8]:
    """Read an 8-bit image as it is meant to be viewed (EXIF orientation applied, transparency dropped).

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB, 2 for two stains: the first two channels of an RGB image whose third is empty.

    Returns:
        uint8 (H,W,channels).

    Raises:
        DataError: If it is unreadable, truncated or too large, or has more than 8 bits, several frames or not two
            stains.
    """
    with _open(path) as image:
        if image.mode not in _IMAGE_MODES:
            raise DataError(f"{path}: {image.mode} image; this data set reads 8-bit images")
        image = ImageOps.exif_transpose(image)
        converted = image.convert("L" if channels == 1 else "RGB")
        pixels = np.asarray(converted).reshape(converted.height, converted.width, -1)
        if channels == 2 and (image.mode not in ("RGB", "RGBA") or pixels[..., 2].any()):
            raise DataError(f"{path}: expected two stains: an RGB image whose third channel is empty")
        return pixels[..., :channels]


def read_grey(path: Path, depths: Sequence[int]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read a grey image at its full bit depth (EXIF orientation applied).

    Args:
        path: The file.
        depths: Expected bits per pixel: 8, 16 or both.

    Returns:
        uint8 or uint16 (H,W), as in the file.

    Raises:
        DataError: If it is unreadable, truncated, too large or in colour, or has another depth or several frames.
    """
    with _open(path) as image:
        bits = _GREY_BITS.get(image.mode)
        if bits not in depths:
            found = f"{image.mode} image" if bits is None else f"{bits}-bit grey image"
            raise DataError(f"{path}: {found}; this data set reads {' and '.join(map(str, depths))}-bit grey images")
        pixels = np.asarray(ImageOps.exif_transpose(image))
    # The file may have either byte order.
    return pixels.astype(np.uint8) if bits == 8 else pixels.astype(np.uint16)


def read_mask(path: Path, label_map: Mapping[int, int]) -> NDArray[np.uint8]:
    """Read the class index of every pixel; from a palette image the indices, never the colours.

    Args:
        path: The file.
        label_map: From stored value to class index (255 = ignored).

    Returns:
        Class indices, uint8 (H,W).

    Raises:
        DataError: If it is unreadable, lossy (JPEG) or in colour, or has values that are not labels.
    """
    with _open(path) as mask:
        _reject_lossy(mask, path)
        if mask.mode not in _MASK_MODES:
            raise DataError(f"{path}: {mask.mode} mask; expected one class index per pixel (grey or palette)")
        mask = ImageOps.exif_transpose(mask)
        values = np.asarray(mask)
    return map_labels(values, label_map, path)


def read_instances(path: Path) -> NDArray[np.uint16]:
    """Read the object number of every pixel.

    Args:
        path: The file, grey with 8, 16 or 32 bits.

    Returns:
        uint16 (H,W), 0 for none.

    Raises:
        DataError: If it is unreadable, lossy (JPEG) or in colour, or has several frames or labels outside 0 to 65535.
    """
    with _open(path) as opened:
        _reject_lossy(opened, path)
        if opened.mode not in (*_GREY_BITS, "I"):
            raise DataError(f"{path}: {opened.mode} image; expected one label per object (grey, integers)")
        labels = np.asarray(ImageOps.exif_transpose(opened)).astype(np.int64)
    if not 0 <= labels.min() <= labels.max() <= _MAX_LABEL:
        raise DataError(f"{path}: labels from {labels.min()} to {labels.max()}; number objects from 1 to {_MAX_LABEL}")
    return labels.astype(np.uint16)


def map_labels(values: NDArray[Any], label_map: Mapping[int, int], path: Path) -> NDArray[np.uint8]:
    """Map stored values to class indices.

    Args:
        values: Stored values (H,W), any integer type or bool.
        label_map: From stored value to class index (255 = ignored).
        path: The file, for the message.

    Returns:
        Class indices, uint8 (H,W).

    Raises:
        DataError: If a value is not a label; lists such values and their numbers of pixels.
    """
    values = values.astype(np.uint8) if values.dtype == bool else values
    if values.dtype.itemsize <= 2 and values.dtype.kind == "u":
        table = np.full(2 ** (8 * values.dtype.itemsize), _UNKNOWN, dtype=np.uint8)
        for label, index in label_map.items():
            if 0 <= label < len(table):
                table[label] = index
        # OpenCV's lookup is several times faster, but only for bytes.
        indices = np.asarray(cv2.LUT(values, table), np.uint8) if values.dtype == np.uint8 else table[values]
        if not (indices == _UNKNOWN).any():
            return indices
    # Values too large for a table, or some that are not labels: the slow way, which can name them.
    found, inverse, numbers = np.unique(values, return_inverse=True, return_counts=True)
    _reject_unknown(found, numbers, label_map, path)
    return np.array([label_map[int(value)] for value in found], dtype=np.uint8)[inverse].reshape(values.shape)


def _reject_unknown(found: NDArray[Any], numbers: NDArray[Any], label_map: Mapping[int, int], path: Path) -> None:
    unknown = [
        f"{value} ({number} pixels)"
        for value, number in zip(found, numbers, strict=True)
        if int(value) not in label_map
    ]
    if unknown:
        labels = ", ".join(str(label) for label in sorted(label_map))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise DataError(f"{path}: labels outside the classes: {', '.join(unknown[:5])}{more}; expected {labels}")


def check_same_size(image: NDArray[Any], mask: NDArray[Any], path: Path) -> None:
    """Check that a mask has its image's size; masks are never resized to fit.

    Raises:
        DataError: If it has not; gives both sizes, and a hint if they are only swapped.
    """
    if image.shape[:2] == mask.shape[:2]:
        return
    (height, width), (mask_height, mask_width) = image.shape[:2], mask.shape[:2]
    hint = " (width and height swapped: rotated by EXIF?)" if (height, width) == (mask_width, mask_height) else ""
    raise DataError(f"{path}: mask is {mask_width}x{mask_height}, its image {width}x{height}{hint}")


def resize(
    image: NDArray[Any], mask: NDArray[np.uint8], size: tuple[int, int] | None
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Resize an image with antialiasing and its mask with nearest neighbour.

    Args:
        image: uint8, uint16 or float32 (H,W,C); the type is kept.
        mask: uint8 (H,W).
        size: Height and width, or None to keep both.
    """
    if size is None or image.shape[:2] == tuple(size):
        return image, mask
    return resample(image, size), resample_labels(mask, size)


def _reject_lossy(mask: Image.Image, path: Path) -> None:
    if "jpeg" in (str(mask.format).lower(), mask.info.get("compression")):
        raise DataError(f"{path}: lossy mask (JPEG changes labels); save masks as PNG or GIF")


def _open(path: Path) -> Image.Image:
    """Open and decode a file completely."""
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: empty file")
        with warnings.catch_warnings():
            # Pillow warns below our limit, and raises an error far above it.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{path}: {image.width}x{image.height} pixels; at most {MAX_PIXELS:,} are read")
            if (frames := getattr(image, "n_frames", 1)) > 1:
                raise DataError(f"{path}: {frames} frames; expected a single image")
            # Pillow silently truncates 16-bit colour to 8 bits; only the decoder's raw mode shows it.
            if image.mode in _IMAGE_MODES and any(";16" in str(tile[3]) for tile in image.tile):
                raise DataError(f"{path}: {image.mode} file with 16 bits per channel; only 8 are read")
            image.load()
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image{_hint(path)}") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: larger than {MAX_PIXELS:,} pixels") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # Pillow's own errors have no errno: one that has is the operating system's, and the file may be intact.
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(unreadable(error, path)) from None
        raise DataError(f"{path}: damaged ({first_line(error)})") from None
    return image


def _hint(path: Path) -> str:
    try:
        start = path.read_bytes()[:64].lstrip().lower()
    except OSError:
        return ""
    return " but a web page, from a failed download" if start.startswith((b"<!doctype", b"<html")) else ""
