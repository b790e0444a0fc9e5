"""What scores ask of a data module: which there are, of which classes, and in which unit of length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segbench.data.records import Record
from segbench.scores.columns import ColumnScore, ScoreColumns


class ScoredData:
    """The part of a data module that further scores (:mod:`segbench.scores.columns`) go by.

    Attributes:
        unit: Of length: ``px``, or ``mm`` where the data tells how large a pixel is.
        scores: The scores that are configured, by what the configuration calls them.
    """

    unit: ClassVar[str] = "px"
    scores: Mapping[str, ScoreColumns]

    @property
    def foreground(self) -> tuple[str, ...]:
        """Names of the classes that are somewhere in an image; none where an image has one label."""
        return ()

    def instances(self, record: Record) -> NDArray[np.integer[Any]] | None:
        """Return which object each pixel of a record's mask belongs to (H,W), 0 for none; None where nobody tells."""
        return None

    def own_scores(self) -> list[ScoreColumns]:
        """Return what fills further columns for this data, whatever is configured."""
        return []

    def score_columns(self) -> list[ScoreColumns]:
        """Return all that fills further columns: its own, and what is configured."""
        return [*self.own_scores(), *self.scores.values()]

    def declared_scores(self) -> tuple[ColumnScore, ...]:
        """Return the scores that follow from further columns."""
        return tuple(made for columns in self.score_columns() for made in columns.declare(self.unit))

    def column_scores(self) -> dict[str, Sequence[str]]:
        """Return the names of these scores, with the classes that have them."""
        declared = [(columns, made) for columns in self.score_columns() for made in columns.declare(self.unit)]
        return {made.name: columns.scored_classes(self) for columns, made in declared}
