"""Masks that look as if their values numbered objects, though nothing says so: learned as classes they score near 0."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segbench.data.folder.inspection import ReadMasks, Seen
from segbench.data.folder.samples import Sample
from segbench.data.pages import read_pages
from segbench.errors import DataError

# Up to so many values may be classes that come up one by one, too.
_FEW = 8
# Share of the images whose values are 1, 2, ..., of which this share may not be missing; and of objects in one piece.
_MOST_IMAGES, _FULL, _WHOLE = 0.8, 0.8, 0.9
# Of few values: share of the images that have them all without a gap, and that may have the highest number of them.
_EXACT, _AT_HIGHEST = 0.95, 0.8
# Masks, and values of each, that are looked at for pieces; of few values, masks also for brightness.
_MASKS, _VALUES, _MASKS_OF_FEW = 12, 20, 60
# Images with both values of a pair, and the share of them in which the same one is brighter, that make it no chance.
_LEAST_PAIRS, _ALWAYS = 6, 0.9
# What PASCAL VOC and its like draw around objects; it counts nowhere.
_VOID = 255


def check_not_numbered(
    samples: Sequence[Sample], seen: Sequence[Seen], read_masks: ReadMasks, ignore: Sequence[int]
) -> list[str]:
    """Refuse masks whose values look like object numbers.

    They do if an image's values are 1 to its own number of objects, nearly without gaps, high values occur in few
    images, and the pixels of a value are nearly always in one piece. Classes fail one of these: of many classes an
    image lacks some, and several things in it are of one class. Up to :data:`_FEW` classes may pass, an organ and a
    tumour in it, say: those are told by their brightness, the same one being brighter in each image.

    Args:
        samples: The image files with their masks.
        seen: What was seen of each.
        read_masks: Reads the masks of a mask file.
        ignore: Values that count nowhere.

    Returns:
        What was concluded, a line each; nothing where nothing looks like object numbers.

    Raises:
        DataError: If they look like object numbers.
    """
    pages = [[value for value in page[0] if value and value not in ignore] for item in seen for page in item.values]
    if any(isinstance(value, list) for page in pages for value in page):
        return []
    void = _has_void(pages)
    if void:
        ignore = (*ignore, _VOID)
        pages = [[value for value in page if value != _VOID] for page in pages]
    highest = max((value for page in pages for value in page), default=0)
    if not (_counts_up_exactly(pages) if highest <= _FEW else _counts_up(pages)):
        return []
    if in_one_piece(samples, seen, read_masks, ignore, _MASKS_OF_FEW if highest <= _FEW else _MASKS) < _WHOLE:
        return []
    if highest <= _FEW and _told_by_brightness(samples, seen, read_masks, ignore):
        return [
            f"values 1..{highest} count up as object numbers do, but the same ones are always brighter: classes"
            " (data.instances=true if they are objects)"
        ]
    border = f"; {_VOID} looks like a border around them: data.ignore={_VOID}" if void else ""
    raise DataError(
        f"data.masks: values 0..{highest} look like object numbers: data.instances=true makes them objects,"
        f" data.classes={{...}} keeps them as classes{border}"
    )


def check_no_void(seen: Sequence[Seen], ignore: Sequence[int]) -> None:
    """Refuse masks that number objects and have 255 around them, as PASCAL VOC's, which would be one more object.

    Raises:
        DataError: If most of them do.
    """
    pages = [[value for value in page[0] if value and value not in ignore] for item in seen for page in item.values]
    if not any(isinstance(value, list) for page in pages for value in page) and _has_void(pages):
        raise DataError(
            f"data.masks: {_VOID} is beside the object numbers of most masks, a border that counts nowhere:"
            f" data.ignore={_VOID}; if it is an object, number it with the others"
        )


def _has_void(pages: Sequence[Sequence[Any]]) -> bool:
    """Return whether most masks with values have 255 and nothing just below it, beside other values."""
    filled = [page for page in pages if page]
    alone = [page for page in filled if _VOID in page and not {_VOID - 1, _VOID + 1} & {*page}]
    return any(len(page) > 1 for page in alone) and len(alone) >= _MOST_IMAGES * len(filled)


def _counts_up(pages: Sequence[Sequence[int]]) -> bool:
    """Return whether the values of most images are 1, 2, ... up to numbers that differ."""
    filled = [page for page in pages if page]
    highest = [max(page) for page in filled]
    full = sum(len(page) >= _FULL * top for page, top in zip(filled, highest, strict=True))
    rare = 2 * highest.count(max(highest, default=0)) <= len(filled)
    return full >= _MOST_IMAGES * len(filled) and rare and len(set(highest)) >= min(3, len(filled))


def _counts_up_exactly(pages: Sequence[Sequence[int]]) -> bool:
    """Return whether the few values of nearly all images are 1, 2, ... without a gap, up to numbers that differ."""
    filled = [page for page in pages if page]
    highest = [max(page) for page in filled]
    if len(set(highest)) < 2:
        return False
    full = sum(len(page) == top for page, top in zip(filled, highest, strict=True))
    return full >= _EXACT * len(filled) and highest.count(max(highest)) <= _AT_HIGHEST * len(filled)


def in_one_piece(
    samples: Sequence[Sample], seen: Sequence[Seen], read_masks: ReadMasks, ignore: Sequence[int], masks: int = _MASKS
) -> float:
    """Return the share of values, over some of the masks, whose pixels are in one piece."""
    numbers = [
        cv2.connectedComponents((mask == value).astype(np.uint8))[0] - 1
        for _, mask, values in _some(samples, seen, read_masks, ignore, masks)
        for value in values
    ]
    return sum(number == 1 for number in numbers) / max(1, len(numbers))


def _told_by_brightness(
    samples: Sequence[Sample], seen: Sequence[Seen], read_masks: ReadMasks, ignore: Sequence[int]
) -> bool:
    """Return whether of each two values that often occur together the same one is brighter in nearly all images."""
    brighter: dict[tuple[int, int], list[bool]] = defaultdict(list)
    for sample, mask, values in _some(samples, seen, read_masks, ignore, _MASKS_OF_FEW):
        grey = read_pages(sample.image).pixels[0].mean(axis=2)
        means = {value: float(grey[mask == value].mean()) for value in values}
        for one, other in combinations(values, 2):
            brighter[one, other].append(means[one] > means[other])
    shares = [sum(found) / len(found) for found in brighter.values() if len(found) >= _LEAST_PAIRS]
    return bool(shares) and all(max(share, 1 - share) >= _ALWAYS for share in shares)


def _some(
    samples: Sequence[Sample], seen: Sequence[Seen], read_masks: ReadMasks, ignore: Sequence[int], number: int
) -> Iterator[tuple[Sample, NDArray[Any], list[Any]]]:
    """Yield about so many samples, evenly, with the mask of their first page and some of its values."""
    for sample, item in list(zip(samples, seen, strict=True))[:: max(1, len(samples) // number)]:
        mask = read_masks(sample.masks[0], sample.image, item.size)[0].values
        yield sample, mask, [value for value in item.values[0][0] if value and value not in ignore][:_VALUES]
