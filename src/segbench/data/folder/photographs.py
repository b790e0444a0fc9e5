"""Masks of so many colours or values that they are no classes: which files, and whether they are photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segbench.data.folder.classes import MOST_GUESSED, remedy_of_many
from segbench.data.folder.inspection import ReadMasks, Seen
from segbench.data.folder.numbered import in_one_piece
from segbench.data.folder.samples import Sample
from segbench.errors import DataError
from segbench.words import listed

# Share of the masks that is nearly all; and of values in one piece, below which they number no objects.
_NEARLY_ALL, _SCATTERED = 0.8, 0.5
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


def _label(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _is_lossy(path: Path) -> bool:
    return path.name.lower().endswith(_LOSSY)
