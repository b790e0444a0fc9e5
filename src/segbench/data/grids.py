"""Whether a mask is on its image's grid; masks are never resized to fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from segbench.data.formats.reader import read_orientation
from segbench.data.records import Record
from segbench.errors import DataError


def check_same_grid(image: NDArray[Any], mask: NDArray[Any], record: Record) -> None:
    """Check that a mask is on its image's grid; masks are never resized to fit.

    Args:
        image: The record's image as read, (H,W,...).
        mask: The record's mask as read, (H,W).
        record: Names the two files.

    Raises:
        DataError: If the sizes differ; gives both, and a hint if they are only swapped. If the files have different
            EXIF orientations and the sizes fit either way, so that nothing tells on which grid the mask was drawn.
    """
    assert record.image is not None
    assert record.mask is not None
    check_same_size(image.shape[:2], mask.shape[:2], record.mask)
    check_same_turn(image.shape[:2], record.image, record.mask)


def check_same_size(image: tuple[int, ...], mask: tuple[int, ...], path: Path) -> None:
    """Check that a mask, read from ``path``, has its image's height and width.

    Raises:
        DataError: If it has not; gives both sizes, and a hint if they are only swapped.
    """
    (height, width), (mask_height, mask_width) = image, mask
    if (height, width) != (mask_height, mask_width):
        turned = (height, width) == (mask_width, mask_height)
        hint = (
            " (width and height swapped: rotated by EXIF?)"
            if turned
            else "; export it at the image's size, or remove both"
        )
        raise DataError(f"{path}: mask is {mask_width}x{mask_height}, its image {width}x{height}{hint}")


def check_same_turn(size: tuple[int, ...], image: Path, mask: Path) -> None:
    """Check that nothing is ambiguous about the EXIF orientations of an image of this size and of its mask.

    Raises:
        DataError: If they differ and the sizes fit either way.
    """
    turns = read_orientation(image), read_orientation(mask)
    # Orientations from 5 on swap width and height: unless the image is square, only one grid then fits.
    if turns[0] != turns[1] and (size[0] == size[1] or (turns[0] >= 5) == (turns[1] >= 5)):
        raise DataError(
            f"{mask}: has EXIF orientation {turns[1]}, but its image {image.name} has {turns[0]}, so the"
            " mask's grid is ambiguous; save both upright, without an orientation"
        )
