"""Masks of so many colours or values that they are no classes: which files, and whether they are photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.data.folder.classes import MOST_GUESSED, remedy_of_many
from segbench.data.folder.inspection import ReadMasks, Seen
from segbench.data.folder.numbered import in_one_piece
from segbench.data.folder.samples import Sample
from segbench.data.pages import read_pages
from segbench.errors import DataError
from segbench.words import listed

# Share of the masks that is nearly all; and of values in one piece, below which they number no objects.
_NEARLY_ALL, _SCATTERED = 0.8, 0.5
# Images that are looked at.
_IMAGES = 12
_LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")
_SWAPPED = "are data.images and data.masks swapped?"


def check_not_lossy(samples: Sequence[Sample]) -> None:
    """Refuse masks that are all JPEG files, if no image is one, before any is read.

    Raises:
        DataError: If they are.
    """
    masks = [path for sample in samples for path in sample.masks]
    if masks and all(map(_is_lossy, masks)) and not any(_is_lossy(sample.image) for sample in samples):
        raise DataError(
            f"data.masks: all {len(masks)} are lossy JPEG files ({listed([path.name for path in masks])}), the images"
            f" are not; {_SWAPPED} If not, save masks as PNG"
        )


def check_not_photographs(
    samples: Sequence[Sample], seen: Sequence[Seen], read_masks: ReadMasks, ignore: Sequence[int]
) -> None:
    """Refuse masks of more values or colours than classes have, if it is some of them, or they look like photographs.

    Grey masks do if most values are in several pieces, which the numbers of objects are not.

    Args:
        samples: The image files with their masks.
        seen: What was seen of each.
        read_masks: Reads the masks of a mask file.
        ignore: Values that count nowhere.

    Raises:
        DataError: If nearly all have many; or if a few have many more than the others, which are named.
    """
    kinds = [{_label(value) for page in item.values for part in page for value in part} - {*ignore} for item in seen]
    many = [index for index, found in enumerate(kinds) if len(found) > MOST_GUESSED]
    if not many:
        return
    in_colour = any(isinstance(label, tuple) for index in many for label in kinds[index])
    names = listed([samples[index].masks[0].name for index in many])
    most = max(map(len, kinds))
    what = "colours" if in_colour else "values"
    if len(many) >= _NEARLY_ALL * len(kinds) and (
        in_colour or in_one_piece(samples, seen, read_masks, ignore) < _SCATTERED
    ):
        raise DataError(
            f"data.masks: {len(many)} of {len(kinds)} masks have many {what}, up to {most} ({names}): these look like"
            f" photographs: {_SWAPPED} If not, and edges were smoothed or resampled, save masks without"
        )
    if 2 * len(many) <= len(kinds):
        others = max(len(found) for found in kinds if len(found) <= MOST_GUESSED)
        remedy = remedy_of_many(in_colour)
        raise DataError(f"data.masks: {most} different {what} in {names}, at most {others} in the others; {remedy}")


def check_not_swapped(
    samples: Sequence[Sample], seen: Sequence[Seen], read_masks: ReadMasks, ignore: Sequence[int]
) -> None:
    """Refuse masks of many values or colours, no numbers of objects, whose images have few, also where these are named.

    Args:
        samples: The image files with their masks.
        seen: What was seen of each.
        read_masks: Reads the masks of a mask file.
        ignore: Values that count nowhere.

    Raises:
        DataError: If nearly all masks have many, and none of some images has.
    """
    kinds = [max((len(part) for page in item.values for part in page), default=0) for item in seen]
    if sum(kind > MOST_GUESSED for kind in kinds) < _NEARLY_ALL * len(kinds):
        return
    images = [_kinds(read_pages(sample.image).pixels) for sample in samples[:: max(1, len(samples) // _IMAGES)]]
    if max(images) > MOST_GUESSED:
        return
    in_colour = any(isinstance(value, list) for item in seen for page in item.values for part in page for value in part)
    if in_colour or in_one_piece(samples, seen, read_masks, ignore) < _SCATTERED:
        raise DataError(
            f"data.masks: they have up to {max(kinds)} different values or colours, the images at most {max(images)}:"
            " data.images and data.masks are swapped; exchange them"
        )


def _kinds(pixels: NDArray[Any]) -> int:
    """Return how many different values or colours an image (N,H,W,C) has."""
    if not np.issubdtype(pixels.dtype, np.integer) or pixels.shape[3] > 3:
        return MOST_GUESSED + 1
    codes = pixels.reshape(-1, pixels.shape[3]).astype(np.int64)
    return len(np.unique(codes @ np.array([1, 1 << 16, 1 << 32])[: codes.shape[1]]))


def _label(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _is_lossy(path: Path) -> bool:
    return path.name.lower().endswith(_LOSSY)
