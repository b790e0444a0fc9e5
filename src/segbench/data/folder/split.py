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
# With fewer groups no difference between networks can be told from chance.
_LEAST_GROUPS = 3
_MOST_FOLDS = 5
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


def wanted_fractions(val: float, test: float) -> dict[str, float]:
    """Return the fraction of the groups of each part where none is given; without ``test`` if that is 0."""
    return {"train": 1 - val - test, "val": val} | ({"test": test} if test else {})


def describe_split(splits: Mapping[str, Sequence[int]], groups: Sequence[str], given: bool) -> str:
    """Return a split for a message, small parts in words: ``split as given: 100 train, 20 val``.

    Args:
        splits: Indices of the records of each part.
        groups: The group of each record; where they differ, the numbers of groups are said too.
        given: Whether the parts are given.
    """
    grouped = len(set(groups)) < len(groups)
    parts = []
    for name, indices in splits.items():
        number = len({groups[index] for index in indices})
        parts.append(f"{_in_words(len(indices))} {name}" + (f" ({plural(number, 'group')})" if grouped else ""))
    return f"split {'as given' if given else 'by group' if grouped else 'by image'}: {', '.join(parts)}"


def warn_of_small_parts(
    splits: Mapping[str, Sequence[int]], groups: Sequence[str], fractions: Mapping[str, float] | None
) -> None:
    """Log one line, with what helps, if scores will rest on few groups or images.

    Args:
        splits: Indices of the records of each part.
        groups: The group of each record.
        fractions: Of the groups for each part; None if the parts are given.
    """
    last = "test" if "test" in splits else "val"
    if last not in splits:
        return
    images, total = len(splits[last]), len(set(groups))
    number = len({groups[index] for index in splits[last]})
    if total < len(groups) and number < _LEAST_GROUPS:
        fix = _more_groups(last, total, fractions)
        log.warning(
            "%s %s: no comparison can be decided; %s", _in_words(number), f"{last} group" + "s" * (number > 1), fix
        )
    elif images < _FEW:
        log.warning(
            "only %s %s image%s: scores on so few say little", _in_words(images), last, "" if images == 1 else "s"
        )


def _more_groups(part: str, total: int, fractions: Mapping[str, float] | None) -> str:
    """Return the option that tests, or validates, more groups."""
    if fractions is not None and total >= 2 * _LEAST_GROUPS:
        others = sum(share for name, share in fractions.items() if name not in ("train", part))
        shares = [step / 20 for step in range(1, 20) if step / 20 < 1 - others]
        enough = next((share for share in shares if round(share * total) >= _LEAST_GROUPS), None)
        if enough is not None:
            return f"data.{part}_fraction={enough:g} gives {_in_words(round(enough * total))}"
    folds = min(total, _MOST_FOLDS)
    return f"cross-validation tests each group once: -m data.folds={folds} data.fold={','.join(map(str, range(folds)))}"


def _in_words(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


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
