"""Cross-validation: groups dealt into folds, each of which is tested once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from math import log2

from segbench.data.splits import split_balanced
from segbench.errors import ConfigError, DataError
from segbench.rng import derive_seed, generator
from segbench.words import plural

# What a group is dealt by; a class that occurs in its images, for example.
Strata = frozenset[Hashable]
# Shuffles of which the one with the most equal folds is taken, and the powers of two by which a group may come before a
# larger one.
_DRAWS, _OCTAVES = 20, 2


def check_folds(folds: int | None, fold: int | None) -> None:
    """Check the options ``data.folds`` and ``data.fold``.

    Raises:
        ConfigError: If one is given without the other, or there is no such fold.
    """
    if folds is None:
        if fold is not None:
            raise ConfigError(f"data.fold={fold}: set the number of folds too, for example data.folds=5")
        return
    if folds < 2:
        raise ConfigError(f"data.folds={folds}: must be 2 or more, or null for no cross-validation")
    sweep = f"data.fold={','.join(map(str, range(folds)))} -m" if folds <= 10 else f"data.fold=range({folds}) -m"
    if fold is None:
        raise ConfigError(f"data.folds={folds}: say which fold is tested; {sweep} tests each once")
    if not 0 <= fold < folds:
        raise ConfigError(f"data.fold={fold}: of {folds} folds choose 0 to {folds - 1}; {sweep} tests each once")


def split_folds(
    groups: Sequence[str],
    folds: int,
    fold: int,
    seed: int,
    val_fraction: float,
    strata: Sequence[Strata] | None = None,
) -> dict[str, list[int]]:
    """Test one fold; the groups outside it train and validate.

    Args:
        groups: The group of each record.
        folds: Number of folds.
        fold: The one that is tested, from 0.
        seed: Seed of the folds, which are the same for every ``fold``, and of the validation groups, which are not.
        val_fraction: Fraction of the groups outside the fold that validates, at least one; 0 for none.
        strata: What each record has that should be in every part where possible; None for nothing.

    Returns:
        Indices of ``train``, ``val`` (empty if none shall) and ``test``, ascending.

    Raises:
        DataError: If there are fewer groups than folds, or fewer than two outside the fold.
    """
    have = [frozenset[Hashable]()] * len(groups) if strata is None else strata
    fold_of = deal(groups, folds, seed, have)
    tested = [index for index, number in enumerate(fold_of) if number == fold]
    rest = [index for index, number in enumerate(fold_of) if number != fold]
    if not val_fraction:
        return {"train": rest, "val": [], "test": tested}
    outside = {groups[index] for index in rest}
    if len(outside) < 2:
        raise DataError(
            f"data.folds={folds}: leaves {plural(len(outside), 'group')} to train and validate; more folds leave more,"
            " data.fit_on=train+val (with trainer.monitor=last) validates on none"
        )
    parts = split_balanced(
        [groups[index] for index in rest],
        [have[index] for index in rest],
        {"train": 1 - val_fraction, "val": val_fraction},
        derive_seed(seed, "fold", fold),
    )
    return {part: [rest[index] for index in chosen] for part, chosen in parts.items()} | {"test": tested}


def deal(groups: Sequence[str], folds: int, seed: int, strata: Sequence[Strata]) -> list[int]:
    """Return the fold of each record: groups stay whole, folds are of about equal size, strata are spread over them.

    Iterative stratification (K. Sechidis et al., On the stratification of multi-label data, ECML PKDD 2011): the rarest
    stratum is dealt first, each of its groups to the fold that has fewest groups with it, of equals to the one with the
    fewest records. Within a stratum, groups come in shuffled order, but one of four times the size of another before
    it. Of 20 shuffles the one with the most equal folds is taken.

    Args:
        groups: The group of each record.
        folds: Number of folds.
        seed: Seed of the shuffles. The folds depend on it and on groups and strata, not on the order of records.
        strata: What each record has.

    Raises:
        DataError: If there are fewer groups than folds.
    """
    sizes, has = Counter(groups), dict[str, Strata]()
    for group, own in zip(groups, strata, strict=True):
        has[group] = has.get(group, frozenset()) | own
    if len(sizes) < folds:
        raise DataError(f"data.folds={folds}: there {_are(len(sizes))}; choose at most that many folds, or add images")
    names, chance = sorted(sizes), generator(seed, "folds")
    shuffled = [names[place] for place in chance.permutation(len(names))]
    if len(set(sizes.values())) == 1:
        fold_of = _dealt(shuffled, folds, sizes, has)
        return [fold_of[group] for group in groups]

    def draw() -> dict[str, int]:
        # By exact sizes, which few groups share, there would be nothing left to shuffle: each seed had the same folds.
        weights = {name: log2(sizes[name]) + _OCTAVES * chance.random() for name in names}
        fold_of = _dealt(sorted(names, key=lambda name: -weights[name]), folds, sizes, has)
        # What is dealt first, a large group, would be in the first fold.
        number = chance.permutation(folds)
        return {name: int(number[fold]) for name, fold in fold_of.items()}

    def spread(fold_of: Mapping[str, int]) -> int:
        filled = Counter(fold_of[group] for group in groups)
        return max(filled.values()) - min(filled.values())

    fold_of = min((draw() for _ in range(_DRAWS)), key=spread)
    return [fold_of[group] for group in groups]


def _dealt(order: Sequence[str], folds: int, sizes: Mapping[str, int], has: Mapping[str, Strata]) -> dict[str, int]:
    """Return the fold of each group, dealt in this order within each stratum."""
    holders = Counter(stratum for own in has.values() for stratum in own)
    filled, held = [0] * folds, [Counter[Hashable]() for _ in range(folds)]
    fold_of = dict[str, int]()
    # None, which no group has, deals what is left by size.
    for stratum in [*sorted(holders, key=lambda stratum: (holders[stratum], str(stratum))), None]:
        for name in order:
            if name in fold_of or (stratum is not None and stratum not in has[name]):
                continue
            chosen = min(range(folds), key=lambda number: (held[number][stratum], filled[number], number))
            fold_of[name] = chosen
            filled[chosen] += sizes[name]
            held[chosen].update(has[name])
    return fold_of


def _are(groups: int) -> str:
    return f"{'is' if groups == 1 else 'are'} {plural(groups, 'group')} of images"
