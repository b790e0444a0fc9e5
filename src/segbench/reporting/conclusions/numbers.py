"""Figures in sentences: as many digits as their uncertainty leaves, and never an end at 0 that is not there."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite, log10

from segbench.scores.score import Metric

_FEWEST, _MOST = 2, 4
# An end near 0 gets so many.
_NEAR_NOTHING = 5


@dataclass(frozen=True)
class Figures:
    """How the figures of one sentence are written.

    Attributes:
        metric: The deciding metric.
        digits: Behind the point.
    """

    metric: Metric
    digits: int

    def plain(self, value: float) -> str:
        """Return ``0.03``."""
        # Rounded first, so that no 0 is negative.
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}"

    def amount(self, value: float) -> str:
        """Return ``0.03``, or ``4.1 px`` of a distance."""
        return f"{self.plain(value)} {self.metric.unit}".rstrip()

    def score(self, value: float) -> str:
        """Return ``Dice 0.86``."""
        title = self.metric.title
        return f"{title[0].upper()}{title[1:]} {self.amount(value)}"

    def gain(self, value: float, low: float, high: float) -> str:
        """Return ``0.03 [0.01, 0.05]``."""
        return f"{self.plain(value)} [{self.plain(low)}, {self.plain(high)}] {self.metric.unit}".rstrip()


def figures(metric: Metric, gain: float, low: float, high: float, scores: tuple[float, float] | None = None) -> Figures:
    """Return how a difference and the scores beside it are written.

    Args:
        metric: The deciding metric.
        gain: The difference.
        low: Lower end of its interval; NaN where there is none.
        high: Its upper end.
        scores: Of which it is the difference, where they stand beside it: a digit more where, rounded, they would
            differ by something else.
    """
    if not isfinite(low) or not isfinite(high):
        return Figures(metric, _MOST)
    half = max((high - low) / 2, 1e-9)
    digits = min(max(-floor(log10(half)), 0 if metric.unit else _FEWEST), _MOST)
    # Rounded, an end that leaves out 0 must not be 0.
    most = _NEAR_NOTHING if low > 0 or high < 0 else _MOST
    while digits < most and any(value and not round(value, digits) for value in (gain, low, high)):
        digits += 1
    return Figures(metric, digits if digits >= _MOST or _adds_up(digits, gain, scores) else digits + 1)


def _adds_up(digits: int, gain: float, scores: tuple[float, float] | None) -> bool:
    if scores is None:
        return True
    first, second = (round(score, digits) for score in scores)
    return abs(abs(first - second) - abs(round(gain, digits))) < 10.0**-digits / 2
