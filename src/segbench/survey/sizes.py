"""The sizes of images: as files, and as they are stored for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

from segbench.data.records import Record
from segbench.survey.images import ImageFacts

Size = tuple[int, int]
# Files whose heads are read.
_MOST_OPENED = 500


def stored_sizes(facts: Sequence[ImageFacts]) -> Counter[Size]:
    """Return how many images have each height and width, as stored."""
    return Counter(item.size for item in facts)


def file_sizes(records: Sequence[Record]) -> Counter[Size]:
    """Return how many files have each height and width, of a sample of files whose head says it (not volumes)."""
    found: Counter[Size] = Counter()
    paths = sorted({record.image for record in records if record.image is not None})
    for place in np.unique(np.linspace(0, len(paths) - 1, min(_MOST_OPENED, len(paths))).astype(int)):
        try:
            with Image.open(paths[place]) as opened:
                found[opened.size[1], opened.size[0]] += 1
        except (OSError, UnidentifiedImageError, ValueError):
            # Of another format; the data module's own reader has read it.
            continue
    return found


def in_words(sizes: Counter[Size], most: int = 6) -> list[tuple[str, int]]:
    """Return the most frequent sizes as ``480x640``, height first, with their number; the others together."""
    found = [(f"{height}x{width}", count) for (height, width), count in sizes.most_common(most)]
    rest = sum(sizes.values()) - sum(count for _, count in found)
    return [*found, (f"{len(sizes) - most} other sizes", rest)] if rest else found
