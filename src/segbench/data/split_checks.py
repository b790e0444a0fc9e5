"""Checks of a split before training: equal images in two parts, and classes without training data."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segbench.data.records import Record
from segbench.errors import DataError
from segbench.words import listed, plural

log = logging.getLogger("segbench")

OnDuplicates = Literal["warn", "error"]


def report_duplicates(
    images: Any, splits: Mapping[str, Sequence[int]], records: Sequence[Record], place: str, policy: OnDuplicates
) -> None:
    """Report images that are equal to one in another part of the split, pixel by pixel, as stored.

    Files that are equal byte by byte are among them.

    Args:
        images: The stored images (N,H,W,C), or a list of arrays.
        splits: Indices of the records of each part.
        records: The records.
        place: The key that names the data, with its value, for the message.
        policy: ``warn`` logs one line, ``error`` refuses the data.

    Raises:
        DataError: With ``error``, if there are any; gives their number and the first of them.
    """
    found = _equal_across(images, splits)
    if not found:
        return
    pairs = [
        f"{records[index].id} ({part}) equals {records[other].id} ({other_part})"
        for (other_part, other), (part, index) in found
    ]
    are = "is" if len(found) == 1 else "are"
    line = f"{place}: {plural(len(found), 'image')} {are} in two parts of the split: {listed(pairs)}"
    if policy == "error":
        raise DataError(f"{line}; remove the copies, or use data.on_duplicates=warn")
    log.warning("%s; scores on copies of training images mean nothing (data.on_duplicates=error refuses them)", line)


def report_absent(class_names: Sequence[str], counted: NDArray[np.int64], labelled: str, place: str) -> None:
    """Log one line that names the classes that do not occur in the training set, if there are any.

    Args:
        class_names: All classes.
        counted: How often each occurs, int64 (C,).
        labelled: What is counted: ``pixel`` or ``image``.
        place: The key that names the data, with its value, for the message.
    """
    if absent := [name for name, count in zip(class_names, counted, strict=True) if not count]:
        log.warning("%s: no training %s of %s", place, labelled, listed(absent))


def _equal_across(images: Any, splits: Mapping[str, Sequence[int]]) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Return every image whose first equal one, in the order of the parts, is in another part, after that one."""
    first: dict[bytes, tuple[str, int]] = {}
    found = []
    for part, indices in splits.items():
        for index in indices:
            image = np.ascontiguousarray(images[index])
            digest = hashlib.blake2b(f"{image.dtype}{image.shape}".encode(), digest_size=16)
            digest.update(image.data)
            place = first.setdefault(digest.digest(), (part, index))
            if place[0] != part:
                found.append((place, (part, index)))
    return found
