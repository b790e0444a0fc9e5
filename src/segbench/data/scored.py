"""What scores need from a data module: which scores there are, for which classes, and the unit of length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segbench.data.records import Record
from segbench.scores.columns import ColumnScore, ScoreColumns


class ScoredData:
    """The part of a data module that further scores (:mod:`segbench.scores.columns`) use.

    Attributes:
        unit: Unit of length: ``px``, or ``mm`` if the data has a pixel size.
        scores: The configured scores, by their keys in the configuration.
    """

    unit: ClassVar[str] = "px"
    scores: Mapping[str, ScoreColumns]

    @property
    def foreground(self) -> tuple[str, ...]:
        """Names of the classes without background; none for a classification."""
        return ()

    def instances(self, record: Record) -> NDArray[np.integer[Any]] | None:
        """Return the object number of each pixel of a record's mask (H,W), 0 for none; None if there are no labels."""
        return None

    def own_scores(self) -> list[ScoreColumns]:
        """Return the further columns that this data always has."""
        return []

    def score_columns(self) -> list[ScoreColumns]:
        """Return all further columns: the data's own and the configured ones."""
        return [*self.own_scores(), *self.scores.values()]

    def declared_scores(self) -> tuple[ColumnScore, ...]:
        """Return the scores that are derived from further columns."""
        return tuple(made for columns in self.score_columns() for made in columns.declare(self.unit))

    def column_scores(self) -> dict[str, Sequence[str]]:
        """Return the classes of each of these scores, by its name."""
        declared = [(columns, made) for columns in self.score_columns() for made in columns.declare(self.unit)]
        return {made.name: columns.scored_classes(self) for columns, made in declared}
