"""Images that are there twice, or nearly: pixel by pixel, and by how brightness changes from place to place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segbench.survey.images import ImageFacts

# Cosine of two patterns (segbench.survey.images) from which images are near copies: a copy saved again as JPEG, or
# brighter, has more than 0.98, neighbouring frames of a video about that; other images of one kind stay below 0.9.
_NEAR = 0.97
_MOST_COMPARED = 20_000
_ROWS = 512
Pair = tuple[int, int]


@dataclass(frozen=True)
class Copies:
    """Pairs of places in the list of images, the earlier first.

    Attributes:
        equal: Equal pixels, each image with its first.
        near: Near copies that are not equal, of different groups, each image with the most similar one.
        same_masks: Different images whose masks are equal pixel by pixel and not of one value.
        compared: Whether near copies were looked for.
    """

    equal: tuple[Pair, ...]
    near: tuple[Pair, ...]
    same_masks: tuple[Pair, ...]
    compared: bool


def find_copies(facts: Sequence[ImageFacts]) -> Copies:
    """Find equal and nearly equal images, and equal masks of different images.

    Args:
        facts: What is known of each image.
    """
    equal = _first_equal([item.digest for item in facts])
    again = {later for _, later in equal}
    drawn = [item.mask_digest if np.count_nonzero(item.values) > 1 else b"" for item in facts]
    twice = [pair for pair in _first_equal(drawn) if not again.intersection(pair)]
    compared = len(facts) <= _MOST_COMPARED
    near = [pair for pair in _near(facts) if not again.intersection(pair)] if compared else []
    return Copies(tuple(equal), tuple(near), tuple(twice), compared)


def _first_equal(digests: Sequence[bytes]) -> list[Pair]:
    places: dict[bytes, list[int]] = defaultdict(list)
    for place, digest in enumerate(digests):
        if digest:
            places[digest].append(place)
    return sorted((same[0], later) for same in places.values() for later in same[1:])


def _near(facts: Sequence[ImageFacts]) -> list[Pair]:
    """Return each image with the most similar earlier one of another group, if it is similar enough."""
    patterns = np.stack([item.pattern for item in facts])
    groups = np.unique([item.group for item in facts], return_inverse=True)[1]
    found = []
    for start in range(0, len(facts), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(facts)))
        alike = patterns[rows] @ patterns[: rows[-1] + 1].T
        alike[groups[rows, None] == groups[None, : rows[-1] + 1]] = 0
        alike[np.arange(rows[-1] + 1)[None] >= rows[:, None]] = 0
        best = alike.argmax(axis=1)
        found += [
            (int(other), int(row))
            for row, other, value in zip(rows, best, alike[np.arange(len(rows)), best], strict=True)
            if value >= _NEAR
        ]
    return found
