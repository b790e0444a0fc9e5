"""Splits that keep groups together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from segbench.errors import ConfigError, DataError
from segbench.rng import derive_seed, generator
from segbench.words import plural

# Draws that are tried until everything is in every part.
_DRAWS = 200


def check_fraction(name: str, fraction: float) -> None:
    """Check the option ``data.<name>``.

    Raises:
        ConfigError: If it is not in (0, 1).
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"data.{name}={fraction}: must be between 0 and 1")


def split_groups(groups: Sequence[str], fractions: Mapping[str, float], seed: int) -> dict[str, list[int]]:
    """Split records so that no group is in two parts.

    Args:
        groups: The group of each record.
        fractions: Fraction of the groups for each part, in order; they add up to 1. The first part takes what rounding
            leaves; every other gets at least one group.
        seed: Seed of the shuffle. The result depends on it and on the set of group names, not on the order of records.

    Returns:
        Indices of the records of each part, ascending.

    Raises:
        DataError: If there are fewer groups than parts.
        ValueError: If the fractions do not add up to 1.
    """
    if abs(sum(fractions.values()) - 1) > 1e-9 or min(fractions.values()) <= 0:
        raise ValueError(f"data.fractions must be positive and add up to 1, got {dict(fractions)}")
    names = sorted(set(groups))
    if len(names) < len(fractions):
        raise DataError(
            f"{len(names)} groups cannot be split into {len(fractions)} parts; add data or use data.split_by=image"
        )
    order = generator(seed, "split").permutation(len(names))
    part_of: dict[str, str] = {}
    first, *others = fractions
    taken = 0
    for part in others:
        wanted = max(1, round(fractions[part] * len(names)))
        count = min(wanted, len(names) - taken - (len(others) - others.index(part)))
        part_of |= {names[i]: part for i in order[taken : taken + count]}
        taken += count
    parts: dict[str, list[int]] = {part: [] for part in fractions}
    for index, group in enumerate(groups):
        parts[part_of.get(group, first)].append(index)
    return parts


def split_balanced(
    groups: Sequence[str], strata: Sequence[frozenset[Hashable]], fractions: Mapping[str, float], seed: int
) -> dict[str, list[int]]:
    """Split as :func:`split_groups` does, so that, where possible, every part has everything.

    Draws are repeated until they do; of 200 the first in which least is missing from parts is taken. The first draw is
    that of :func:`split_groups`, so data without anything rare is split as by it.

    Args:
        groups: The group of each record.
        strata: What each record has: the classes that occur in it, for example.
        fractions: Fraction of the groups for each part.
        seed: Seed of the draws.

    Raises:
        DataError: If there are fewer groups than parts.
    """
    everything = frozenset[Hashable]().union(*strata)
    best: tuple[int, dict[str, list[int]]] | None = None
    for draw in range(_DRAWS):
        found = split_groups(groups, fractions, seed if draw == 0 else derive_seed(seed, "balanced", draw))
        missing = sum(len(everything - found_in(strata, indices)) for indices in found.values())
        if best is None or missing < best[0]:
            best = missing, found
        if missing == 0:
            break
    assert best is not None
    return best[1]


def found_in(strata: Sequence[frozenset[Hashable]], indices: Sequence[int]) -> frozenset[Hashable]:
    """Return what some of the records have."""
    return frozenset[Hashable]().union(*(strata[index] for index in indices))


def split_official(groups: Sequence[str], test: Sequence[bool], val_fraction: float, seed: int) -> dict[str, list[int]]:
    """Keep an official test split, and draw validation groups from the rest.

    Args:
        groups: The group of each record.
        test: Whether a record is officially one of the test split.
        val_fraction: Fraction of the other groups that validates, in (0, 1); at least one does.
        seed: Seed of that draw.

    Returns:
        Indices of ``train``, ``val`` and, where there are any, ``test``, ascending.

    Raises:
        DataError: If fewer than two groups are left to train and validate.
    """
    rest = [index for index, official in enumerate(test) if not official]
    fractions = {"train": 1 - val_fraction, "val": val_fraction}
    parts = split_groups([groups[index] for index in rest], fractions, seed)
    splits = {part: [rest[index] for index in chosen] for part, chosen in parts.items()}
    official_test = [index for index, official in enumerate(test) if official]
    return splits | ({"test": official_test} if official_test else {})


def split_by_part(ids: Sequence[str], parts: Mapping[str, str]) -> dict[str, list[int]]:
    """Return an official split given by folders.

    Args:
        ids: Ids of the records, ``<folder>/...``.
        parts: The folder of each split.
    """
    return {
        split: [index for index, name in enumerate(ids) if name.startswith(f"{folder}/")]
        for split, folder in parts.items()
    }


def split_last_block(test: Sequence[bool], val_fraction: float) -> dict[str, list[int]]:
    """Keep a test split, and validate on the last of the other records: for a sequence in temporal order.

    Neighbouring frames are near-duplicates. In a block, only the first frames have a neighbour that is trained on; in a
    random draw, nearly all would.

    Args:
        test: Whether each record is in the test split.
        val_fraction: Fraction of the other records that validates, in (0, 1); at least one does and one does not.

    Returns:
        Indices of ``train``, ``val`` and, where there are any, ``test``, ascending.

    Raises:
        DataError: If fewer than two records are left to train and validate.
    """
    rest = [index for index, tests in enumerate(test) if not tests]
    if len(rest) < 2:
        raise DataError(f"{plural(len(rest), 'image')} left for training and validation; add images")
    first = len(rest) - min(max(1, round(val_fraction * len(rest))), len(rest) - 1)
    tested = [index for index, tests in enumerate(test) if tests]
    return {"train": rest[:first], "val": rest[first:]} | ({"test": tested} if tested else {})


def check_train_groups(number: int | None) -> int | None:
    """Return the option ``data.train_groups``.

    Raises:
        ConfigError: If it is neither a whole number of at least 1 nor None.
    """
    if number is not None and (type(number) is not int or number < 1):
        raise ConfigError(f"data.train_groups={number}: must be a whole number, at least 1, or null for all")
    return number


def some_groups(groups: Sequence[str], indices: Sequence[int], number: int, seed: int) -> list[int]:
    """Return the indices of as many groups, drawn so that a larger number adds groups to those of a smaller one.

    Args:
        groups: Group of every image.
        indices: The images of the training split, ascending.
        number: How many of their groups to keep, at least 1.
        seed: Of the draw.

    Raises:
        ConfigError: If there are fewer.
    """
    names = sorted({groups[index] for index in indices})
    if number > len(names):
        raise ConfigError(f"data.train_groups={number}: the training split has {plural(len(names), 'group')}")
    order = generator(seed, "train_groups").permutation(len(names))
    kept = {names[place] for place in order[:number]}
    return [index for index in indices if groups[index] in kept]


def check_disjoint(groups: Sequence[str], splits: Mapping[str, Sequence[int]]) -> None:
    """Check that splits share no group.

    Args:
        groups: The group of each record.
        splits: Indices of the records of each part.

    Raises:
        DataError: If they do; names the first shared groups.
    """
    seen: dict[str, str] = {}
    shared = []
    for part, indices in splits.items():
        for group in sorted({groups[index] for index in indices}):
            if seen.setdefault(group, part) != part:
                shared.append(f"{group} is in {seen[group]} and {part}")
    if shared:
        raise DataError(
            f"{len(shared)} groups are on both sides of the split ({'; '.join(shared[:3])}); split by group"
        )
