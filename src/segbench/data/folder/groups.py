"""Groups of one's own images, which must not be split: by a pattern of names; without one, what looks like a group."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from segbench.errors import ConfigError, DataError
from segbench.words import listed, plural

# Bits of 256 in which the hashes of near copies differ at most.
_NEAR = 8
_MOST_COMPARED = 20_000
_ROWS = 256
_PART = re.compile(r"(train|val|test)(ing|idation)?[A-Z]?")


def groups_by_pattern(names: Sequence[str], pattern: str) -> list[str]:
    """Return what a pattern's first ``*`` matches in each name.

    Args:
        names: Ids of the images.
        pattern: ``*`` is any text within a name or folder, ``?`` one character: ``*_??``, ``patient*_slice*``,
            ``*/*``. With a slash it is compared with as many folders as it has, else with the name alone.

    Raises:
        ConfigError: If the pattern has no ``*``.
        DataError: If names do not match.
    """
    if "*" not in pattern:
        raise ConfigError(f"data.group={pattern}: no * in it, which stands for the group, and no column of data.table")
    star = r"[^/]*"
    expression = "".join({"*": f"({star})", "?": "[^/]"}.get(sign, re.escape(sign)) for sign in pattern)
    depth = pattern.count("/") + 1
    matches = [re.fullmatch(expression, "/".join(name.split("/")[-depth:])) for name in names]
    if wrong := [name for name, match in zip(names, matches, strict=True) if match is None]:
        raise DataError(f"data.group={pattern}: {plural(len(wrong), 'name')} do not match it ({listed(wrong)})")
    return [match[1] for match in matches if match]


def name_of_group(asked: str | None) -> str | None:
    """Return what a group is called in one word, if a column says it: ``patient`` for ``Patient_ID``.

    Args:
        asked: ``data.group``.
    """
    found = re.fullmatch(r"([a-z]+?)[ _-]?(?:id)?", (asked or "").lower())
    return found[1] if found else None


def likely_pattern(names: Sequence[str]) -> str | None:
    """Return the pattern of names that number images within groups (``patient12_slice03``), if they look so.

    Names must all be alike but for their numbers, and begin with something that repeats. Where all begin with a part of
    the split (``train_1``, ``testA_1``), that is no group.
    """
    last = [name.rpartition("/")[2] for name in names]
    separators = Counter(sign for name in last for sign in set(re.findall(r"[_\-. ]", name)))
    for sign, count in separators.most_common():
        if count < len(last):
            break
        heads = [name.rpartition(sign)[0] for name in last]
        tails = [name.rpartition(sign)[2] for name in last]
        words = {re.sub(r"\d+", "#", tail) for tail in tails}
        if all(map(_PART.fullmatch, heads)):
            continue
        if len(words) == 1 and "#" in next(iter(words)) and 2 <= len(set(heads)) <= len(last) / 2:
            return f"*{sign}{next(iter(words)).replace('#', '*')}"
    return None


def near_copies(hashes: Sequence[str], groups: Sequence[str]) -> list[tuple[int, int]]:
    """Return pairs of images of different groups that look nearly the same, each image with its first such.

    Args:
        hashes: :func:`segbench.data.folder.inspection.difference_hash` of each image.
        groups: Their groups.
    """
    if not 2 <= len(hashes) <= _MOST_COMPARED:
        return []
    bits = np.array([np.frombuffer(bytes.fromhex(text), np.uint64) for text in hashes])
    # Of a flat image the hash says nothing.
    told = np.asarray(bits.any(axis=1))
    number = np.unique(np.array(groups), return_inverse=True)[1]
    found = []
    for start in range(0, len(bits), _ROWS):
        rows = slice(start, min(start + _ROWS, len(bits)))
        differ = np.bitwise_count(bits[rows, None] ^ bits[None]).sum(axis=2, dtype=np.uint16)
        near = (differ <= _NEAR) & told[rows, None] & (number[rows, None] != number[None, :])
        near &= np.arange(len(bits))[None, :] < np.arange(rows.start, rows.stop)[:, None]
        found += [(start + int(row), int(near[row].argmax())) for row in np.flatnonzero(near.any(axis=1))]
    return found


def groups_nothing(pattern: str, names: Sequence[str], groups: Sequence[str]) -> str | None:
    """Return one line if a pattern makes each image a group of its own.

    Args:
        pattern: ``data.group``.
        names: Ids of the images.
        groups: What the pattern matches in each.
    """
    if len(set(groups)) < len(names) or len(names) < 2:
        return None
    likely = likely_pattern(names)
    number = 0 if likely is None else len(set(groups_by_pattern(names, likely)))
    hint = (
        f"'data.group={likely}' makes {number} groups" if likely else "its first * must be what images of a group share"
    )
    return (
        f"data.group={pattern}: groups nothing, the {len(names)} images are as many groups ({listed(groups)}); {hint}"
    )


def advice(names: Sequence[str], hashes: Sequence[str]) -> str | None:
    """Return one line for images without given groups, if some look as if they belonged together."""
    pattern, copies = likely_pattern(names), near_copies(hashes, names)
    if pattern:
        number = len(set(groups_by_pattern(names, pattern)))
        return (
            f"names such as {names[0]} look like {number} groups of images; if they are (patients, series), keep each"
            f" in one part: 'data.group={pattern}'"
        )
    if copies:
        one, other = copies[0]
        return (
            f"{plural(len(copies), 'image')} nearly the same as another ({names[one]} and {names[other]}, ...); if they"
            " belong together, say so by data.group or a table with a column group"
        )
    return None
