"""A configuration's mean score, and how far other seeds and groups could move it, or how far groups lie apart.

**Ten groups or more** give an interval for other seeds and other groups. Scores of images are skewed: most lie near the
top, a few far below, and an interval that is symmetric ends too high. That of a share is therefore symmetric on the
logit scale: logit(m) ± h / (m (1 - m)) with h half the width of :mod:`segbench.reporting.statistics.intervals` (the
delta method; A. Agresti, Categorical Data Analysis, 2013, section 16.1). It covers a little better for skewed scores
and no worse for symmetric ones (``tests/reporting/test_mean_simulations.py``; docs/statistics.md has the figures).

**Fewer groups** give no such interval: of skewed scores it would miss the mean in 10 to 30 % of experiments, nearly
always because it ends too high. What they do show is printed instead: the range of the groups' own scores.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from segbench.reporting.statistics.intervals import half_width
from segbench.reporting.statistics.jackknife import Layout

# An interval of a mean takes so many groups.
ENOUGH = 10
NAN = float("nan")


@dataclass(frozen=True)
class Mean:
    """A configuration's mean score; NaN ends where there are none.

    Attributes:
        mean: Mean over the seeds.
        low: Lower end of the 95 % interval, or the lowest of the groups.
        high: Its upper end, or the highest of the groups.
        ranges: Whether the ends are those of the groups.
    """

    mean: float
    low: float
    high: float
    ranges: bool = False

    def interval(self, unit: str) -> str:
        """Return the mean with its ends as text: ``0.8785 [0.8310, 0.9260]``, or that of so few groups that they range.

        Args:
            unit: What the groups are, ``images``: ``0.8785 (images from 0.6101 to 0.9701)`` is no margin of error.
        """
        if np.isnan(self.low):
            return f"{self.mean:.4f}"
        ends = (
            f"({unit} from {self.low:.4f} to {self.high:.4f})" if self.ranges else f"[{self.low:.4f}, {self.high:.4f}]"
        )
        return f"{self.mean:.4f} {ends}"


def means_of(
    rows: Sequence[Layout | None], most: float, groups: int, collapsed: Container[int] = ()
) -> tuple[Mean, ...]:
    """Return the mean of each row with its ends: of every row an interval, or of every row the range of its groups.

    Args:
        rows: Each row laid out by itself; None where it has no score.
        most: What the score can be at most: 1 for a share; of a distance the images' diagonal, or infinity.
        groups: How many groups of images there are, also where folds are the units: those of the row with the fewest.
        collapsed: Rows (indices) of which a seed collapsed: no interval knows what others would do, so none is given.
    """
    found = [_mean(row, most, groups < ENOUGH) for row in rows]
    return tuple(Mean(mean.mean, NAN, NAN) if index in collapsed else mean for index, mean in enumerate(found))


def _mean(row: Layout | None, most: float, few: bool) -> Mean:
    if row is None:
        return Mean(NAN, NAN, NAN)
    mean = float(row.scores[0].mean())
    # An interval without width would claim to know all other images.
    if not row.known or len(row.groups) < 2 or row.constant:
        return Mean(mean, NAN, NAN)
    if few:
        # A mean over classes, of which an image may lack some, need not lie among the images' own.
        return Mean(mean, min(mean, float(np.nanmin(row.own[0]))), max(mean, float(np.nanmax(row.own[0]))), ranges=True)
    low, high = interval(mean, float(half_width(row.table[0], overlap=row.overlap)), most)
    return Mean(mean, low, high)


def interval(mean: float, half: float, most: float) -> tuple[float, float]:
    """Return the ends of a mean's interval from half the width of the symmetric one: of a share on the logit scale.

    Args:
        mean: In [0, most].
        half: 0 or more.
        most: 1 for a share; more for a distance, whose interval is symmetric and ends at 0 and there.
    """
    if most == 1 and 0 < mean < 1:
        width = half / (mean * (1 - mean))
        return float(expit(logit(mean) - width)), float(expit(logit(mean) + width))
    return max(mean - half, 0.0), min(mean + half, most)
