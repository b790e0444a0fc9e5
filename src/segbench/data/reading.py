"""Image and mask files as the data sets need them: anything ambiguous is an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segbench.data.formats.image_file import read_image_file
from segbench.data.formats.mask_file import MaskFile, read_mask_file
from segbench.data.plane import resample, resample_labels
from segbench.errors import DataError
from segbench.labels import IGNORE_INDEX

_MAX_LABEL = 65535
# Not a class index: between the classes and 255 (ignored).
_UNKNOWN = 254
_WHITE = 255
_BLACK_AND_WHITE = {(0, 0, 0), (_WHITE, _WHITE, _WHITE)}


def read_image(path: Path, channels: int) -> NDArray[np.uint8]:
    """Read an 8-bit image as it is meant to be viewed.

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB, 2 for two stains: the first two channels of an RGB image whose third is empty.

    Returns:
        uint8 (H,W,channels).

    Raises:
        DataError: If :func:`segbench.data.formats.image_file.read_image_file` rejects it, or it has more than 8 bits or
            not two stains.
    """
    image = read_image_file(path)
    if image.white != _WHITE:
        raise DataError(f"{path}: {image.description} image; this data set reads 8-bit images")
    pixels = image.pixels
    if channels == 2:
        if image.kind != "RGB" or pixels[..., 2].any():
            raise DataError(f"{path}: expected two stains: an RGB image whose third channel is empty")
        return pixels[..., :2]
    if channels == 1 and pixels.shape[2] == 3:
        # ITU-R 601-2 luma.
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    return pixels if pixels.shape[2] == channels else np.repeat(pixels, channels, axis=2)


def read_grey(path: Path, depths: Sequence[int]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read a grey image without losing any of its bits.

    Args:
        path: The file.
        depths: Expected bits per pixel: 8, 16 or both. 2 to 7 bits count as 8, and 9 to 15 as 16.

    Returns:
        uint8 or uint16 (H,W), as in the file.

    Raises:
        DataError: If :func:`segbench.data.formats.image_file.read_image_file` rejects it, or it is in colour or has
            another depth.
    """
    image = read_image_file(path)
    depth = 8 * image.pixels.dtype.itemsize
    if image.kind != "grey" or image.white is None or image.bits == 1 or depth not in depths:
        expected = " and ".join(map(str, depths))
        raise DataError(f"{path}: {image.description} image; this data set reads {expected}-bit grey images")
    return image.pixels[..., 0]


def read_mask(path: Path, label_map: Mapping[Any, int]) -> NDArray[np.uint8]:
    """Read the class index of every pixel; from a palette image the indices, not the colours.

    One exception: if the data set's masks are black and white (values 0 and 255, and perhaps 1), a black and white
    palette is read by its colours, because programs number the two arbitrarily.

    Args:
        path: The file.
        label_map: From stored value to class index (255 = ignored). If the keys are colours, (red, green, blue), the
            mask is read by its colours.

    Returns:
        Class indices, uint8 (H,W).

    Raises:
        DataError: If :func:`segbench.data.formats.mask_file.read_mask_file` rejects it, it has colours instead of
            numbers or the reverse, or it has values that are not labels.
    """
    return class_indices(read_mask_file(path), label_map)


def class_indices(mask: MaskFile, label_map: Mapping[Any, int]) -> NDArray[np.uint8]:
    """Return the class index of every pixel of a mask that is read: :func:`read_mask` says how.

    Raises:
        DataError: If it has colours instead of numbers or the reverse, or values that are not labels.
    """
    if any(isinstance(key, tuple) for key in label_map):
        return map_colours(mask.colours(), label_map, mask.path)
    labels = mask.labels()
    if mask.palette is not None and _is_black_and_white(label_map):
        labels = _black_and_white(mask, label_map)
    return map_labels(labels, label_map, mask.path)


def read_instances(path: Path, ignore: Sequence[int] = ()) -> NDArray[np.uint16]:
    """Read the object number of every pixel.

    Args:
        path: The file: grey, or a palette image, whose indices are read.
        ignore: Labels that are not objects.

    Returns:
        uint16 (H,W), 0 for none.

    Raises:
        DataError: If :func:`segbench.data.formats.mask_file.read_mask_file` rejects it, or it is in colour or has
            labels outside 0 to 65535.
    """
    return object_numbers(read_mask_file(path), ignore)


def object_numbers(mask: MaskFile, ignore: Sequence[int] = ()) -> NDArray[np.uint16]:
    """Return the object number of every pixel of a mask that is read: :func:`read_instances` says how.

    Raises:
        DataError: If it is in colour or has labels outside 0 to 65535.
    """
    labels = mask.labels("one label per object")
    if ignore:
        labels = np.where(np.isin(labels, ignore), 0, labels)
    if not 0 <= labels.min() <= labels.max() <= _MAX_LABEL:
        raise DataError(
            f"{mask.path}: labels from {labels.min()} to {labels.max()}; number objects from 1 to {_MAX_LABEL}"
        )
    return labels.astype(np.uint16)


def read_ignored(path: Path, ignore: Sequence[int]) -> NDArray[np.uint8]:
    """Return which pixels of a file of object numbers have one of these labels, 0 or 1, uint8 (H,W).

    Raises:
        DataError: As :func:`read_instances`.
    """
    return np.isin(read_mask_file(path).labels("one label per object"), ignore).astype(np.uint8)


def _is_black_and_white(label_map: Mapping[int, int]) -> bool:
    """Say whether masks have the values 0 and 255, and perhaps 1, and 0 and 255 are different classes."""
    return set(label_map) <= {0, 1, _WHITE} and label_map.get(_WHITE, IGNORE_INDEX) not in (
        IGNORE_INDEX,
        label_map.get(0),
    )


def _black_and_white(mask: MaskFile, label_map: Mapping[int, int]) -> NDArray[np.integer[Any]]:
    """Return the labels of a palette mask: its indices, or 0 and 255 if its black and white mean other classes.

    Raises:
        DataError: If they do, but the palette has further colours.
    """
    assert mask.palette is not None
    colours = [tuple(colour) for colour in mask.palette.tolist()]
    differ = [
        index
        for index, colour in enumerate(colours)
        if colour in _BLACK_AND_WHITE and label_map.get(index) != label_map[colour[0]]
    ]
    # Checked first because it is fast, and the masks of most data sets agree.
    if not differ or not _occurs(mask.values, differ):
        return mask.values
    used = {index: colours[index] for index in np.unique(mask.values).tolist() if index < len(colours)}
    if not set(used.values()) <= _BLACK_AND_WHITE:
        return mask.values
    if set(colours) != _BLACK_AND_WHITE:
        shown = ", ".join(f"{index} as {'white' if colour[0] else 'black'}" for index, colour in used.items())
        raise DataError(f"{mask.path}: its palette shows label {shown}; save it as a grey PNG with values 0 and 255")
    return np.asarray(mask.palette[mask.values][..., 0])


def _occurs(values: NDArray[np.integer[Any]], some: Sequence[int]) -> bool:
    """Return whether some of these values, below 256, occur among unsigned ones."""
    if values.dtype != np.uint8:
        return bool(np.isin(values, some).any())
    table = np.zeros(256, np.uint8)
    table[list(some)] = 1
    return bool(np.asarray(cv2.LUT(values, table)).any())


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
    _reject_unknown([int(value) for value in found], numbers, label_map, path)
    return np.array([label_map[int(value)] for value in found], dtype=np.uint8)[inverse].reshape(values.shape)


def map_colours(colours: NDArray[Any], colour_map: Mapping[tuple[int, int, int], int], path: Path) -> NDArray[np.uint8]:
    """Map colours to class indices.

    Args:
        colours: Stored colours (H,W,3), any integer type.
        colour_map: From colour to class index (255 = ignored).
        path: The file, for the message.

    Returns:
        Class indices, uint8 (H,W).

    Raises:
        DataError: If a colour has no class; lists such colours and their numbers of pixels.
    """
    found, inverse, numbers = np.unique(colours.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    names = [tuple(colour) for colour in found.tolist()]
    _reject_unknown(names, numbers, colour_map, path)
    return np.array([colour_map[name] for name in names], np.uint8)[inverse].reshape(colours.shape[:2])


def _reject_unknown(found: Sequence[Any], numbers: NDArray[Any], label_map: Mapping[Any, int], path: Path) -> None:
    unknown = [
        f"{value} ({number} pixels)" for value, number in zip(found, numbers, strict=True) if value not in label_map
    ]
    if unknown:
        labels = ", ".join(str(label) for label in sorted(label_map))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise DataError(f"{path}: labels outside the classes: {', '.join(unknown[:5])}{more}; expected {labels}")


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
