"""Image and mask files as data sets take them, and refused where only a careless reader would."""

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
from segbench.data.formats.reader import read_orientation
from segbench.data.plane import resample, resample_labels
from segbench.data.records import Record
from segbench.errors import DataError

_MAX_LABEL = 65535
# No class index: between the classes and 255 (ignore).
_UNKNOWN = 254
_WHITE, _IGNORE = 255, 255


def read_image(path: Path, channels: int) -> NDArray[np.uint8]:
    """Read an 8-bit image as it is meant to be seen (EXIF orientation applied).

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB, 2 for two stains: the first two channels of an RGB image whose third is empty.

    Returns:
        uint8 (H,W,channels).

    Raises:
        DataError: One line: not to be read (:func:`segbench.data.formats.image_file.read_image_file`), more than 8
            bits, or not two stains.
    """
    image = read_image_file(path)
    if image.white != _WHITE:
        raise DataError(f"{path}: {image.words} image; this data set reads 8-bit images")
    pixels = image.pixels
    if channels == 2:
        if image.kind != "RGB" or pixels[..., 2].any():
            raise DataError(f"{path}: expected two stains, the first two channels of an RGB image whose third is empty")
        return pixels[..., :2]
    if channels == 1 and pixels.shape[2] == 3:
        # ITU-R 601-2 luma.
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    return pixels if pixels.shape[2] == channels else np.repeat(pixels, channels, axis=2)


def read_grey(path: Path, depths: Sequence[int]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read a grey image without losing any of its bits (EXIF orientation applied).

    Args:
        path: The file.
        depths: Bits a pixel that are expected: 8, 16 or both. What has 2 to 7, or 9 to 15, counts as the next.

    Returns:
        uint8 or uint16 (H,W), as the file has it.

    Raises:
        DataError: One line: not to be read (:func:`segbench.data.formats.image_file.read_image_file`), colour, or
            another depth.
    """
    image = read_image_file(path)
    depth = 8 * image.pixels.dtype.itemsize
    if image.kind != "grey" or image.white is None or image.bits == 1 or depth not in depths:
        raise DataError(
            f"{path}: {image.words} image; this data set reads {' and '.join(map(str, depths))}-bit grey images"
        )
    return image.pixels[..., 0]


def read_mask(path: Path, label_map: Mapping[Any, int]) -> NDArray[np.uint8]:
    """Read the class index of every pixel; of a palette image the indices, never the colours.

    One exception: of a data set of black and white masks, in which 0 is one class and 255 (white) another, a palette of
    black and white is read by its colours, since programs number the two as they please.

    Args:
        path: The file.
        label_map: From stored value to class index (255 = ignore). Keys may be colours instead, (red, green, blue).

    Returns:
        uint8 (H,W) of class indices.

    Raises:
        DataError: One line: not to be read (:func:`segbench.data.formats.mask_file.read_mask_file`), colours where
            numbers are expected or the reverse, or values that are no label.
    """
    mask = read_mask_file(path)
    if any(isinstance(key, tuple) for key in label_map):
        return map_colours(mask.colours(), label_map, path)
    labels = mask.labels()
    if mask.palette is not None and _is_black_and_white(label_map):
        labels = _shades(mask, label_map)
    return map_labels(labels, label_map, path)


def read_instances(path: Path) -> NDArray[np.uint16]:
    """Read which object each pixel belongs to.

    Args:
        path: The file: grey of any depth, or a palette, of which the indices count.

    Returns:
        uint16 (H,W), 0 for none.

    Raises:
        DataError: One line: not to be read (:func:`segbench.data.formats.mask_file.read_mask_file`), colours, or labels
            outside 0 to 65535.
    """
    labels = read_mask_file(path).labels("one label an object")
    if not 0 <= labels.min() <= labels.max() <= _MAX_LABEL:
        raise DataError(f"{path}: labels from {labels.min()} to {labels.max()}; number objects from 1 to {_MAX_LABEL}")
    return labels.astype(np.uint16)


def _is_black_and_white(label_map: Mapping[int, int]) -> bool:
    """Say whether masks hold 0, perhaps 1, and 255, of which 0 and 255 are two classes."""
    return set(label_map) <= {0, 1, _WHITE} and label_map.get(_WHITE, _IGNORE) not in (_IGNORE, label_map.get(0))


def _shades(mask: MaskFile, label_map: Mapping[int, int]) -> NDArray[np.integer[Any]]:
    """Return the labels of a palette mask in black and white: its indices, or 0 and 255 where these say otherwise.

    Raises:
        DataError: If a palette of more colours shows the label of one class in the colour of another.
    """
    assert mask.palette is not None
    used = np.flatnonzero(np.bincount(mask.values.ravel())[: len(mask.palette)]).tolist()
    colours = {index: tuple(mask.palette[index].tolist()) for index in used}
    if not set(colours.values()) <= {(0, 0, 0), (_WHITE,) * 3}:
        return mask.values
    shades = {index: colour[0] for index, colour in colours.items()}
    if all(label_map.get(index) == label_map[shade] for index, shade in shades.items()):
        return mask.values
    known = {tuple(colour) for colour in mask.palette.tolist()}
    if known != {(0, 0, 0), (_WHITE,) * 3}:
        shown = ", ".join(f"{index} as {'white' if shade else 'black'}" for index, shade in shades.items())
        raise DataError(f"{mask.path}: its palette shows label {shown}; save it as a grey PNG with 0 and 255")
    return np.asarray(mask.palette[mask.values][..., 0])


def map_colours(colours: NDArray[Any], colour_map: Mapping[tuple[int, int, int], int], path: Path) -> NDArray[np.uint8]:
    """Turn colours into class indices.

    Args:
        colours: (H,W,3).
        colour_map: From colour to class index (255 = ignore).
        path: The file, for the message.

    Raises:
        DataError: If a colour is none of a class; lists the colours and how many pixels have them.
    """
    found, inverse, numbers = np.unique(colours.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    names = [tuple(colour) for colour in found.tolist()]
    _refuse_unknown(names, numbers, colour_map, path)
    return np.array([colour_map[name] for name in names], np.uint8)[inverse].reshape(colours.shape[:2])


def map_labels(values: NDArray[Any], label_map: Mapping[int, int], path: Path) -> NDArray[np.uint8]:
    """Turn stored values into class indices.

    Args:
        values: Stored values (H,W), any integer type or bool.
        label_map: From stored value to class index (255 = ignore).
        path: The file, for the message.

    Raises:
        DataError: If a value is no label; lists the values and how many pixels have them.
    """
    values = values.astype(np.uint8) if values.dtype == bool else values
    if values.dtype.itemsize <= 2 and values.dtype.kind == "u":
        table = np.full(2 ** (8 * values.dtype.itemsize), _UNKNOWN, dtype=np.uint8)
        for label, index in label_map.items():
            if 0 <= label < len(table):
                table[label] = index
        # OpenCV's table is several times faster, but only for bytes.
        indices = np.asarray(cv2.LUT(values, table), np.uint8) if values.dtype == np.uint8 else table[values]
        if not (indices == _UNKNOWN).any():
            return indices
    # Values that a table cannot hold, or some that are no label: the slow way, which can name them.
    found, inverse, numbers = np.unique(values, return_inverse=True, return_counts=True)
    _refuse_unknown([int(value) for value in found], numbers, label_map, path)
    return np.array([label_map[int(value)] for value in found], dtype=np.uint8)[inverse].reshape(values.shape)


def _refuse_unknown(found: Sequence[Any], numbers: NDArray[Any], label_map: Mapping[Any, int], path: Path) -> None:
    unknown = [
        f"{value} ({number} pixels)" for value, number in zip(found, numbers, strict=True) if value not in label_map
    ]
    if unknown:
        labels = ", ".join(str(label) for label in sorted(label_map))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise DataError(f"{path}: labels outside the classes: {', '.join(unknown[:5])}{more}; expected {labels}")


def check_same_grid(image: NDArray[Any], mask: NDArray[Any], record: Record) -> None:
    """Refuse a mask that does not lie on its image; masks are never resized to fit.

    Args:
        image: The image as it was read, (H,W,...).
        mask: The mask as it was read, (H,W).
        record: Their files.

    Raises:
        DataError: With both sizes, and a hint where they are only swapped; or, of files that are turned differently by
            EXIF though both ways fit, with the two orientations.
    """
    assert record.image is not None
    assert record.mask is not None
    (height, width), (mask_height, mask_width) = image.shape[:2], mask.shape[:2]
    if (height, width) != (mask_height, mask_width):
        hint = " (width and height swapped: rotated by EXIF?)" if (height, width) == (mask_width, mask_height) else ""
        raise DataError(f"{record.mask}: mask is {mask_width}x{mask_height}, its image {width}x{height}{hint}")
    turns = read_orientation(record.image), read_orientation(record.mask)
    # From 5 on width and height are swapped: then only one way fits, if they differ.
    if turns[0] != turns[1] and (height == width or (turns[0] >= 5) == (turns[1] >= 5)):
        raise DataError(
            f"{record.mask}: EXIF orientation {turns[1]}, but its image {record.image.name} has {turns[0]}, and nothing"
            " tells on which the mask was drawn; save both upright, without an orientation"
        )


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
