"""What identifies a data module's data: its files, and what is read from them."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from segbench.data.cache import Arrays, Pair, cached_checksums, content_digest, fingerprint, first_key, load_arrays
from segbench.data.loaders import Loaders
from segbench.data.records import Record, os_errors_as_faults, raise_faults
from segbench.errors import DataError


class IdentifiedData(Loaders):
    """Records that are found, read through the cache, and told from others.

    Attributes:
        fingerprint: Digest of the files' names, sizes and times (:meth:`find`), known before any is decoded.
        content: Digest of what is read from them, wherever they lie; empty until the cache or the data itself has told
            it. Data is the same where this is.
    """

    place: str
    cache_dir: Path
    size: tuple[int, int] | None
    in_channels: ClassVar[int]
    records: list[Record]
    splits: dict[str, list[int]]
    fingerprint = content = _key = ""

    @abstractmethod
    def find_records(self) -> tuple[list[Record], list[str]]:
        """Find the records.

        Returns:
            The records in a fixed order, and a one-line fault for each unusable file.

        Raises:
            DataError: If the folder is missing or empty; says how to get the data.
        """

    @abstractmethod
    def read(self, record: Record) -> Pair:
        """Return a record as stored: image (H,W,C) and target, a uint8 array.

        Raises:
            DataError: If a file is unusable.
        """

    def settings(self) -> dict[str, Any]:
        """Return the settings that the stored arrays depend on, as plain values: no places, and no times."""
        return {"class": type(self).__name__, "size": self.size, "channels": self.in_channels}

    @abstractmethod
    def assign(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the indices of the records of each split."""

    # -- finding and reading -----------------------------------------------------------------------

    def find(self) -> str:
        """Find the data without decoding it; a second call does nothing.

        Returns:
            The fingerprint: equal for equal file names, sizes and times and equal settings that the arrays depend on.
            If files differ only in their times, it is the earliest fingerprint, once the cache has seen that.

        Raises:
            DataError: Listing every fault found.
        """
        if self.records:
            return self.fingerprint
        with os_errors_as_faults(self.place):
            records, faults = self.find_records()
        raise_faults(faults, self.place)
        if len({record.id for record in records}) < len(records):
            raise DataError(f"{self.place}: image ids are not unique")
        with os_errors_as_faults(self.place):
            self._key = fingerprint(records, self.settings())
        self.fingerprint = self._fingerprint()
        # A data set that loads otherwise may have other arrays than the cache.
        if type(self).load is IdentifiedData.load:
            checksums = cached_checksums(records, self._key, self.cache_dir, type(self))
            self.content = "" if checksums is None else self._content(checksums, records)
        self.records = records
        return self.fingerprint

    def digest(self) -> str:
        """Return :attr:`content`, for which the data is read where no cache tells it.

        Raises:
            DataError: Listing every fault found.
        """
        self.find()
        if not self.content:
            self.read_arrays()
        return self.content

    def split_digest(self) -> str:
        """Return the digest of which record is in which split, by their ids; no data is decoded.

        Raises:
            DataError: If there are too few records to split, or listing every fault found.
            ConfigError: If the split that is asked for does not fit the records.
        """
        self.divide()
        parts = {split: [self.records[index].id for index in indices] for split, indices in self.splits.items()}
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def divide(self) -> None:
        """Find the data and split it without decoding it; a second call does nothing.

        Raises:
            DataError: If there are too few records to split, or listing every fault found.
            ConfigError: If the split that is asked for does not fit the records.
        """
        self.find()
        self.splits = self.splits or self.assign(self.records)

    def read_arrays(self) -> Arrays:
        """Find, split and read the data.

        Raises:
            DataError: Listing every fault found.
            ConfigError: If the split that is asked for does not fit the records.
        """
        self.divide()
        arrays, faults = self.load(self.records)
        raise_faults(faults, self.place)
        self.content = self._content(self.checksums(arrays), self.records)
        return arrays

    def load(self, records: Sequence[Record]) -> tuple[Arrays, list[str]]:
        """Return the records' arrays, through the cache, and a one-line fault for each unusable file."""
        found = load_arrays(records, self._key, self.cache_dir, self.read, type(self), at_once=self.read_by_threads())
        self.fingerprint = self._fingerprint()
        return found

    def checksums(self, arrays: Arrays) -> dict[str, int]:
        """Return checksums of what was read, which no split changes; a data set whose arrays depend on it has others.

        Args:
            arrays: What :meth:`load` has returned.
        """
        return arrays.checksums()

    def of_learned(self, digest: str) -> str:
        """Return the digest of what is learned, from that of what is stored; for most data the same."""
        return digest

    def _fingerprint(self) -> str:
        """Return the digest of the files and of the arrays' settings; if files were only touched since, the first."""
        return self.of_learned(first_key(self._key, self.cache_dir))

    def _content(self, checksums: dict[str, int], records: Sequence[Record]) -> str:
        return self.of_learned(content_digest(checksums, records, self.settings()))
