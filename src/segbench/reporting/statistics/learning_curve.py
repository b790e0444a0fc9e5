"""What a score may be at a number that was not trained, where a power law is gone on with.

What is missing to a perfect score falls roughly as a power of the number of training images (Hestness et al., "Deep
Learning Scaling is Predictable, Empirically", 2017; Viering and Loog, "The Shape of Learning Curves", 2022):
e(n) = a n^-c. Runs of one seed share a split and an order, so each seed has a law of its own, by least squares of log e
on log n, and a forecast of its own. Over S seeds the forecasts' mean has Student's interval for S - 1 degrees of
freedom, in log e. It says what other seeds would change if the law goes on, and nothing of whether it does: it may end
in a floor (labels that disagree), which a forecast without one passes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

# Numbers of each seed, and seeds: two points have a line of any curve, one seed has no spread.
FEWEST_NUMBERS, FEWEST_SEEDS = 3, 2
# Whose exponential is still a number.
_LARGEST = 700.0


@dataclass(frozen=True)
class Forecast:
    """What is missing at a number that was not trained.

    Attributes:
        at: The number.
        error: What is missing there, in units of the score; ``low`` and ``high`` are the ends of its interval.
        power: Mean of the seeds' powers c; positive where more is better.
        numbers: The numbers that the laws go through, ascending.
        seeds: How many seeds have a law.
        left_out: How many have none: they have fewer than three numbers, or nothing is missing at one of them.
    """

    at: float
    error: float
    low: float
    high: float
    power: float
    numbers: tuple[float, ...]
    seeds: int
    left_out: int


def forecast(errors: Mapping[int, Sequence[tuple[float, float]]], at: float, level: float = 0.05) -> Forecast | None:
    """Go on with the power law of each seed to a number.

    Args:
        errors: Of each seed the numbers, positive, with what is missing there, positive; not all seeds need have all.
        at: The number, positive.
        level: 1 minus the confidence of the interval.

    Returns:
        The forecast; None where fewer than two seeds have a law, or where it is beyond all numbers.
    """
    fitted = {seed: law for seed, points in errors.items() if (law := _law(points)) is not None}
    laws = list(fitted.values())
    if len(laws) < FEWEST_SEEDS:
        return None
    values = np.array([start + power * math.log(at) for start, power in laws])
    half = float(stdtrit(len(laws) - 1, 1 - level / 2) * values.std(ddof=1) / math.sqrt(len(laws)))
    mean = float(values.mean())
    if not mean + half < _LARGEST:
        return None
    return Forecast(
        at=at,
        error=math.exp(mean),
        low=math.exp(mean - half),
        high=math.exp(mean + half),
        power=-float(np.mean([power for _, power in laws])),
        numbers=tuple(sorted({number for seed in fitted for number, _ in errors[seed]})),
        seeds=len(laws),
        left_out=len(errors) - len(laws),
    )


def _law(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return log a and -c; None where there are too few numbers, or nothing is missing at one of them."""
    if len({number for number, _ in points}) < FEWEST_NUMBERS or any(error <= 0 for _, error in points):
        return None
    numbers, errors = np.log(np.array(points, dtype=np.float64).T)
    power, start = np.polyfit(numbers, errors, 1)
    return float(start), float(power)
