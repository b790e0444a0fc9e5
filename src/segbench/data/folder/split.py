"""Splits of one's own images: as given, or by fractions of the groups with every class in every part."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence

from segbench.data.splits import found_in, split_balanced, split_official
from segbench.errors import DataError
from segbench.words import listed, plural

log = logging.getLogger("segbench")
# Fewer images in a part are said in words: their scores say little.
_FEW = 10
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def given_split(
    groups: Sequence[str], parts: Sequence[str | None], val_fraction: float, seed: int
) -> dict[str, list[int]]:
    """Return the split that folders, names or a table give; validation groups are drawn if there are none.

    Args:
        groups: The group of each record.
        parts: Its part, ``train``, ``val`` or ``test``; None trains.
        val_fraction: Fraction of the training groups that validates if no record is one for validation.
        seed: Seed of that draw.

    Raises:
        DataError: If nothing is left to train on.
    """
    if "val" not in parts:
        return split_official(groups, [part == "test" for part in parts], val_fraction, seed)
    found = {
        name: [i for i, part in enumerate(parts) if (part or "train") == name] for name in ("train", "val", "test")
    }
    if not found["train"]:
        raise DataError("data: no image is for training (parts val and test alone); add some, or use data.split=random")
    return {name: indices for name, indices in found.items() if indices}


def balanced_split(
    groups: Sequence[str], classes: Sequence[frozenset[Hashable]], fractions: Mapping[str, float], seed: int
) -> dict[str, list[int]]:
    """Split by groups so that, where possible, every class occurs in every part.

    Args:
        groups: The group of each record.
        classes: The classes that occur in each record.
        fractions: Fraction of the groups for each part.
        seed: Seed of the draws.

    Raises:
        DataError: If there are fewer groups than parts.
    """
    if len(set(groups)) < len(fractions):
        raise DataError(
            f"data: {plural(len(set(groups)), 'group')} of images cannot be split into {len(fractions)} parts; add"
            " images, set data.test_fraction=0, or change data.group"
        )
    return split_balanced(groups, classes, fractions, seed)


def describe_split(splits: Mapping[str, Sequence[int]], groups: Sequence[str], how: str) -> str:
    """Return a split for a message, small parts in words: ``split by folders: 100 train, 20 val``."""
    parts = []
    for name, indices in splits.items():
        count = _NUMBERS[len(indices)] if len(indices) < len(_NUMBERS) else str(len(indices))
        number = len({groups[index] for index in indices})
        parts.append(f"{count} {name}" + (f" ({plural(number, 'group')})" if number < len(indices) else ""))
    return f"split {how}: {', '.join(parts)}"


def warn_of_small_parts(splits: Mapping[str, Sequence[int]]) -> None:
    """Log one line if scores will rest on few images."""
    last = "test" if "test" in splits else "val"
    if last in splits and len(splits[last]) < _FEW:
        word = _NUMBERS[len(splits[last])]
        log.warning("only %s %s image%s: scores on so few say little", word, last, "" if word == "one" else "s")


def warn_of_absent(
    splits: Mapping[str, Sequence[int]], classes: Sequence[frozenset[Hashable]], names: Sequence[str]
) -> None:
    """Log one line for the classes that do not occur in a part other than training, which is reported elsewhere."""
    for part in ("val", "test"):
        if part not in splits:
            continue
        absent = frozenset(range(len(names))) - found_in(classes, splits[part])
        if absent:
            log.warning(
                "no %s image has %s: it cannot be scored there", part, listed([names[i] for i in sorted(absent)])
            )
