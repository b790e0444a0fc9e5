"""Within what two rows are alike: a margin that the experiment states, or what the same row's own seeds differ by.

The proposal is the repeatability limit of ISO 5725-6 (1994, section 4.1): with s the standard deviation of a single run
over seeds, pooled over the rows, two runs of one row that differ in the seed alone lie within 1.96 sqrt(2) s of each
other in 95 % of cases. A smaller difference between two rows is one that a row has to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10, sqrt

import numpy as np

from segbench.reporting.statistics.jackknife import Layout

_LIMIT = 1.96 * sqrt(2)
MOST_PROPOSED = 0.05


@dataclass(frozen=True)
class Margin:
    """Below what difference two rows are alike.

    Attributes:
        value: In units of the score; NaN where none is stated and none can be proposed.
        proposed: Whether it is the repeatability limit, not the experiment's own.
        noise: The repeatability limit; 0 where no row has two seeds that differ.
    """

    value: float
    proposed: bool
    noise: float


def margin_of(stated: float | None, rows: Sequence[Layout | None], most: float = 1.0) -> Margin:
    """Return the margin of a comparison.

    Args:
        stated: What the experiment states; None where it does not.
        rows: Each row laid out by itself; None for one that has no score or is not ranked.
        most: What the score can be at most. Of a share none above :data:`MOST_PROPOSED` is proposed: rows whose seeds
            differ so much are unstable, not alike.
    """
    several = [row.scores[0] for row in rows if row is not None and len(row.seeds) > 1]
    freedom = sum(len(scores) - 1 for scores in several)
    squares = sum(float(np.sum((scores - scores.mean()) ** 2)) for scores in several)
    limit = _LIMIT * sqrt(squares / freedom) if freedom else 0.0
    # As it is printed, so that what is printed decides.
    noise = round(limit, 1 - floor(log10(limit))) if limit > 1e-9 else 0.0
    if stated is not None:
        return Margin(stated, False, noise)
    return Margin(noise if 0 < noise <= MOST_PROPOSED * most else float("nan"), True, noise)
