"""The part of a data module that splits for cross-validation instead of by the data set's own split."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar

from segbench.data.folds import Strata, check_folds, split_folds
from segbench.data.records import Record
from segbench.data.splits import some_groups
from segbench.words import plural

log = logging.getLogger("segbench")


class FoldedData:
    """Records dealt into folds by group.

    Attributes:
        folds: Number of folds; None for the data set's own split.
        fold: The one that is tested.
        val_fraction: Fraction of the groups outside the test split that validates; a data set may have an option for
            it.
        records: What is split.
        splits: Indices of the records of each part.
    """

    name: str
    fractions: ClassVar[Mapping[str, float]]
    split_by: str
    split_seed: int
    fit_on: str
    folds: int | None
    fold: int | None
    val_fraction: float
    train_groups: int | None
    records: list[Record]
    splits: dict[str, list[int]]

    def set_fold(self, folds: int | None, fold: int | None) -> None:
        """Take the options ``data.folds`` and ``data.fold``.

        Raises:
            ConfigError: If they name no fold.
        """
        check_folds(folds, fold)
        self.folds, self.fold = folds, fold
        self.val_fraction = self.fractions["val"] / (self.fractions["train"] + self.fractions["val"])

    def strata(self, record: Record) -> Strata:
        """Return what a record has that every fold should have; nothing if that is unknown before images are read."""
        return frozenset()

    def split_fold(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the fold as ``test`` and the other groups as ``train`` and ``val``.

        Raises:
            DataError: If there are too few groups.
        """
        assert self.folds is not None
        assert self.fold is not None
        strata = [self.strata(record) for record in records]
        val_fraction = self.val_fraction if self.fit_on == "train" else 0.0
        return split_folds(self.units(records), self.folds, self.fold, self.split_seed, val_fraction, strata)

    def announce(self) -> None:
        """Say how the records were split, before they are read; a data set may have more to say than its folds."""
        if self.folds is None or self.fold is None:
            return
        units = self.units(self.records)
        parts = {split: [units[index] for index in indices] for split, indices in self.splits.items() if indices}
        sizes = ", ".join(_size(split, found) for split, found in parts.items())
        said = "fold %d of 0 to %d, images: %s; any other split of %s is set aside"
        log.info(said, self.fold, self.folds - 1, sizes, self.name)
        if len({record.group for record in self.records}) < len(set(units)):
            log.warning("data.split_by=image: images of one group are in several folds, so scores are too high")

    def units(self, records: Sequence[Record]) -> list[str]:
        """Return what is dealt whole: the group of each record, or the record itself."""
        return [record.id if self.split_by == "image" else record.group for record in records]

    def fitted(self, records: Sequence[Record], splits: dict[str, list[int]]) -> dict[str, list[int]]:
        """Return the splits with the training images that ``data.fit_on`` and ``data.train_groups`` say.

        Raises:
            ConfigError: If there are fewer groups.
        """
        found = dict(splits)
        if self.fit_on == "train+val":
            found["train"] = sorted([*found["train"], *found.pop("val")])
        if self.train_groups is not None:
            groups = [record.group for record in records]
            found["train"] = some_groups(groups, found["train"], self.train_groups, self.split_seed)
        return found


def _size(part: str, groups: Sequence[str]) -> str:
    """Return ``48 train (12 groups)``, without groups where each image is its own."""
    number = len(set(groups))
    return f"{len(groups)} {part}" + (f" ({plural(number, 'group')})" if number < len(groups) else "")
