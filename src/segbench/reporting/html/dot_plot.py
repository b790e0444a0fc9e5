"""One row's scores on an axis that all rows share: seeds, interval, mean, published figure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.runs.split_scores import derive

WIDTH = 130.0
MARGIN = 6.0


@dataclass(frozen=True)
class DotPlot:
    """Places along the axis, from 0 to :data:`WIDTH`; None where there is nothing to draw."""

    seeds: tuple[float, ...]
    mean: float | None
    interval: tuple[float, float] | None
    published: float | None


def dot_plots(comparison: Comparison, evidence: Evidence) -> tuple[list[DotPlot], tuple[str, str]]:
    """Return a dot plot for each row and the ends of their common axis in words; none where no run has a score."""
    metric, split = comparison.metric, comparison.split
    seeds = [[derive(run.counts[split], metric, comparison.convention) for run in row.done] for row in comparison.rows]
    means = [row.scores[metric].mean for row in comparison.rows]
    ends = [(mean.low, mean.high) for mean in evidence.means]
    published = [row.published.value if row.published else math.nan for row in comparison.rows]
    known = [value for part in (*seeds, *ends, means, published) for value in part if math.isfinite(value)]
    if not known:
        return [], ("", "")
    low, high = min(known), max(known)
    wide = high - low or 1.0

    def place(value: float) -> float | None:
        share = (value - low) / wide
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1) if math.isfinite(value) else None

    drawn = []
    for index in range(len(comparison.rows)):
        places = [place(value) for value in seeds[index]]
        left, right = (place(value) for value in ends[index])
        drawn.append(
            DotPlot(
                tuple(value for value in places if value is not None),
                place(means[index]),
                (left, right) if left is not None and right is not None else None,
                place(published[index]),
            )
        )
    return drawn, (f"{low:.3f}", f"{high:.3f}")
