"""A factor that is a number: learning rates, batch sizes, numbers of training groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segbench.reporting.comparison.model import Comparison, Row

FEWEST = 3
# Its null is a number too: all groups that there are.
TRAIN_GROUPS = "data.train_groups"


@dataclass(frozen=True)
class Amounts:
    """The first factor whose values are numbers, three or more.

    Attributes:
        place: Of the factor.
        of: The number of each row, by index; None where a row leaves it open.
    """

    place: int
    of: Mapping[int, float | None]

    @property
    def known(self) -> list[float]:
        """The numbers, each once, ascending."""
        return sorted({value for value in self.of.values() if value is not None})


def amounts(comparison: Comparison, rows: Sequence[int]) -> Amounts | None:
    """Return the numbers of some rows; None where no factor has three values that are all numbers, but for null."""
    for place, factor in enumerate(comparison.factors):
        values = {index: comparison.rows[index].values[place] for index in rows}
        if len(set(values.values())) >= FEWEST and all(value is None or _is_number(value) for value in values.values()):
            return Amounts(
                place, {index: _number(comparison.rows[index], factor, value) for index, value in values.items()}
            )
    return None


def _number(row: Row, factor: str, value: object) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    return _training_groups(row) if factor == TRAIN_GROUPS else None


def _training_groups(row: Row) -> float | None:
    """Return how many groups the runs of a row were trained on; None where they do not agree."""
    counts = {run.summary.get("data", {}).get("groups", {}).get("train") for joined in row.done for run in joined.each}
    found = counts.pop() if len(counts) == 1 else None
    return float(found) if type(found) is int else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
