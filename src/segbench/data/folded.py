"""The part of a data module that splits for cross-validation instead of by the data set's own split."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar

from segbench.data.folds import Strata, check_folds, split_folds
from segbench.data.records import Record
from segbench.data.splits import some_groups
from segbench.errors import ConfigError
from segbench.words import plural

log = logging.getLogger("segbench")


class FoldedData:
    """Records dealt into folds by group.

    Attributes:
        folds: Number of folds; None for the data set's own split.
        fold: The one that is tested.
        train_groups: Number of groups that are trained on; None for all.
        val_fraction: Fraction of the groups outside the test split that validates; a data set may have an option for
            it.
    """

    name: str
    fractions: ClassVar[Mapping[str, float]]
    split_by: str
    split_seed: int
    fit_on: str
    folds: int | None
    fold: int | None
    train_groups: int | None
    val_fraction: float

    def set_fold(self, folds: int | None, fold: int | None, train_groups: int | None = None) -> None:
        """Take the options ``data.folds``, ``data.fold`` and ``data.train_groups``.

        Raises:
            ConfigError: If they name no fold, or no number of groups.
        """
        check_folds(folds, fold)
        if train_groups is not None and train_groups < 1:
            raise ConfigError(f"data.train_groups={train_groups}: must be at least 1, or null for all")
        self.folds, self.fold, self.train_groups = folds, fold, train_groups
        self.val_fraction = self.fractions["val"] / (self.fractions["train"] + self.fractions["val"])

    def strata(self, record: Record) -> Strata:
        """Return what a record has that every fold should have; nothing if that is unknown before images are read."""
        return frozenset()

    def split_fold(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the fold as ``test`` and the other groups as ``train`` and ``val``, and say how many images that are.

        Raises:
            DataError: If there are too few groups.
        """
        assert self.folds is not None
        assert self.fold is not None
        groups = [record.id if self.split_by == "image" else record.group for record in records]
        strata = [self.strata(record) for record in records]
        val_fraction = self.val_fraction if self.fit_on == "train" else 0.0
        splits = split_folds(groups, self.folds, self.fold, self.split_seed, val_fraction, strata)
        parts = {part: [groups[index] for index in indices] for part, indices in splits.items() if indices}
        sizes = ", ".join(_size(part, found) for part, found in parts.items())
        said = "fold %d of 0 to %d, images: %s; any other split of %s is set aside"
        log.info(said, self.fold, self.folds - 1, sizes, self.name)
        if len({record.group for record in records}) < len(set(groups)):
            log.warning("data.split_by=image: images of one group are in several folds, so scores are too high")
        return splits

    def trained_on(self, records: Sequence[Record], train: list[int]) -> list[int]:
        """Return the images of the training split that are trained on: those of ``train_groups`` groups, or all.

        Raises:
            ConfigError: If there are fewer groups.
        """
        if self.train_groups is None:
            return train
        return some_groups([record.group for record in records], train, self.train_groups, self.split_seed)


def _size(part: str, groups: Sequence[str]) -> str:
    """Return ``48 train (12 groups)``, without groups where each image is its own."""
    number = len(set(groups))
    return f"{len(groups)} {part}" + (f" ({plural(number, 'group')})" if number < len(groups) else "")
