"""Masks that look as if their values numbered objects, though nothing says so: learned as classes they score near 0."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from segbench.data.folder.inspection import ReadMasks, Seen
from segbench.data.folder.samples import Sample
from segbench.errors import DataError

# Fewer values than this may be either, and are learned as classes.
_LEAST = 9
# Share of the images whose values are 1, 2, ..., of which this share may not be missing; and of objects in one piece.
_MOST_IMAGES, _FULL, _WHOLE = 0.8, 0.8, 0.9
# Masks, and values of each, that are looked at for pieces.
_MASKS, _VALUES = 12, 20


def check_not_numbered(
    samples: Sequence[Sample], seen: Sequence[Seen], read_masks: ReadMasks, ignore: Sequence[int]
) -> None:
    """Refuse masks whose values look like object numbers.

    They do if an image's values are 1 to its own number of objects, nearly without gaps, high values occur in few
    images, and the pixels of a value are nearly always in one piece. Classes fail one of these: of many classes an
    image lacks some, and several things in it are of one class.

    Args:
        samples: The image files with their masks.
        seen: What was seen of each.
        read_masks: Reads the masks of a mask file.
        ignore: Values that count nowhere.

    Raises:
        DataError: If they do.
    """
    pages = [[value for value in page[0] if value and value not in ignore] for item in seen for page in item.values]
    values = [value for page in pages for value in page]
    if any(isinstance(value, list) for value in values) or len(set(values)) < _LEAST or not _counts_up(pages):
        return
    if in_one_piece(samples, seen, read_masks, ignore) >= _WHOLE:
        raise DataError(
            f"data.masks: values 0..{max(values)} look like object numbers: data.instances=true makes them objects,"
            " data.classes={...} keeps them as classes"
        )


def _counts_up(pages: Sequence[Sequence[int]]) -> bool:
    """Return whether the values of most images are 1, 2, ... up to numbers that differ."""
    filled = [page for page in pages if page]
    highest = [max(page) for page in filled]
    full = sum(len(page) >= _FULL * top for page, top in zip(filled, highest, strict=True))
    rare = 2 * sum(top == max(highest) for top in highest) <= len(filled)
    return full >= _MOST_IMAGES * len(filled) and rare and len(set(highest)) >= min(3, len(filled))


def in_one_piece(
    samples: Sequence[Sample], seen: Sequence[Seen], read_masks: ReadMasks, ignore: Sequence[int]
) -> float:
    """Return the share of values, over some of the masks, whose pixels are in one piece."""
    numbers: list[int] = []
    step = max(1, len(samples) // _MASKS)
    for sample, item in list(zip(samples, seen, strict=True))[::step]:
        mask = read_masks(sample.masks[0], sample.image, item.size)[0].values
        values = [value for value in item.values[0][0] if value and value not in ignore][:_VALUES]
        numbers += [cv2.connectedComponents((mask == value).astype(np.uint8))[0] - 1 for value in values]
    return sum(number == 1 for number in numbers) / max(1, len(numbers))
