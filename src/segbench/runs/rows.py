"""The rows of a scores file as arrays: names by their places in the order, as each of them is in many rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Order = NDArray[np.int64]


class Names(NamedTuple):
    """A column of names.

    Attributes:
        codes: Of each row the place of its name, int64 (N,); the names' order is theirs.
        known: The names that there are, sorted.
    """

    codes: NDArray[np.int64]
    known: tuple[str, ...]

    def every(self, step: int = 1) -> tuple[str, ...]:
        """Return the names of the first row and each that is so many further."""
        return tuple(map(self.known.__getitem__, self.codes[::step].tolist()))


@dataclass(frozen=True)
class Rows:
    """Rows of a table.

    Attributes:
        table: The table.
        order: Which of its rows, and in which order, int64 (N,); None for all as they are.
    """

    table: pa.Table
    order: Order | None = None
    _known: dict[str, Any] = field(default_factory=dict)

    def __contains__(self, column: str) -> bool:
        return column in self.table.column_names

    def __len__(self) -> int:
        return self.table.num_rows if self.order is None else len(self.order)

    def taken(self, order: Order) -> Rows:
        """Return some of these rows in this order."""
        return Rows(self.table, order if self.order is None else self.order[order], self._known)

    def splits(self) -> Iterator[tuple[str, Rows]]:
        """Yield the rows of each split with its name, in the order in which the splits begin.

        Raises:
            ValueError: If a row lacks its split.
        """
        codes, known = self.names("split")
        found, first = np.unique(codes, return_index=True)
        for code in found[np.argsort(first)].tolist():
            yield known[code], self if len(found) == 1 else self.taken(np.flatnonzero(codes == code))

    def ordered(self, name: str, count: str) -> Rows:
        """Return the rows by the name in one column and the count in another; most files have them so."""
        first, second = self.names(name).codes, self.counts([count])[:, 0]
        later, same = first[1:] > first[:-1], first[1:] == first[:-1]
        if (later | (same & (second[1:] >= second[:-1]))).all():
            return self
        return self.taken(np.lexsort((second, first)))

    def names(self, column: str) -> Names:
        """Return a column of names.

        Raises:
            ValueError: If a row lacks its name.
        """
        if column not in self._known:
            self._known[column] = _names(self.table, column)
        codes, known = self._known[column]
        return Names(self._chosen(codes), known)

    def classes(self, column: str) -> Names:
        """Return a column of categories, all of them known, in their own order; -1 where a row has none.

        Raises:
            ValueError: If they are plain names.
        """
        if column not in self._known:
            self._known[column] = _classes(self.table, column)
        codes, known = self._known[column]
        return Names(self._chosen(codes), known)

    def counts(self, columns: Sequence[str]) -> NDArray[np.int64]:
        """Return columns of counts, int64 (N,K).

        Raises:
            ValueError: If a row of the table lacks one, or it is no whole number of 0 or more.
        """
        return np.stack([self._chosen(self._numbers(column)) for column in columns], axis=-1)

    def floats(self, column: str) -> NDArray[np.float64]:
        """Return a column of numbers, float64 (N,); NaN where a row has none."""
        return self._chosen(np.asarray(self.table[column].cast(pa.float64()).to_numpy()))

    def _numbers(self, column: str) -> NDArray[np.int64]:
        if column not in self._known:
            values = self.table[column]
            if not pa.types.is_integer(values.type) or values.null_count:
                raise ValueError("counts must be whole numbers, 0 or more")
            self._known[column] = values.cast(pa.int64()).to_numpy()
            if (self._known[column] < 0).any():
                raise ValueError("counts must be whole numbers, 0 or more")
        found: NDArray[np.int64] = self._known[column]
        return found

    def _chosen(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self.order is None else values[self.order]


def _names(table: pa.Table, column: str) -> Names:
    found = table[column].cast(pa.large_string())
    if found.null_count:
        raise ValueError(f"a row lacks its {column}")
    encoded = found.combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    places = np.empty(len(names), np.int64)
    places[order] = np.arange(len(names))
    return Names(places[encoded.indices.to_numpy()], tuple(names[place] for place in order))


def _classes(table: pa.Table, column: str) -> Names:
    found = table[column]
    if not pa.types.is_dictionary(found.type):
        raise ValueError(f"{column} must be categories, all class names in their order")
    encoded = found.unify_dictionaries().combine_chunks()
    codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy()
    return Names(codes, tuple(map(str, encoded.dictionary.to_pylist())))
