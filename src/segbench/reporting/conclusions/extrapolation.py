"""What the score of each line of rows would be at the number that ``comparison.extrapolate_to`` names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from segbench.reporting.collection.factors import show_value
from segbench.reporting.comparison.amounts import amounts
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.statistics.learning_curve import FEWEST_NUMBERS, FEWEST_SEEDS, Forecast, forecast
from segbench.runs.split_scores import derive
from segbench.words import listed, plural


@dataclass(frozen=True)
class Extrapolation:
    """The forecast of the rows that have all factors but the number in common.

    Attributes:
        others: Their values of the other factors, as they are shown.
        factor: Name of the factor that is a number.
        forecast: What is missing to a perfect score.
        score, low, high: The score there and the ends of its interval; 0 where a law would go on below it.
    """

    others: tuple[str, ...]
    factor: str
    forecast: Forecast
    score: float
    low: float
    high: float


def extrapolations(comparison: Comparison) -> list[Extrapolation]:
    """Return a forecast for each combination of the other factors that has one; none where none was asked for."""
    if comparison.extrapolate_to is None:
        return []
    return list(_extrapolated(comparison, comparison.extrapolate_to))


def others_of(row: Row, place: int) -> tuple[str, ...]:
    """Return the values of a row's other factors, as they are shown."""
    return tuple(show_value(value) for other, value in enumerate(row.values) if other != place)


def extrapolation_lines(comparison: Comparison) -> list[str]:
    """Return a sentence for each forecast, or why there is none."""
    if comparison.extrapolate_to is None:
        return []
    found = extrapolations(comparison)
    lines = [_sentence(comparison, one) for one in found]
    # Where there are several lines of rows, those without a forecast are named.
    numbers = amounts(comparison, range(len(comparison.rows)))
    every = [] if numbers is None else [others_of(comparison.rows[index], numbers.place) for index in numbers.of]
    without = [", ".join(others) for others in dict.fromkeys(every) if others not in {one.others for one in found}]
    if without or not found:
        who = f", {listed(without)}" if found else ""
        lines.append(
            f"Not extrapolated to {comparison.extrapolate_to:g}{who}: that takes a score that can be perfect but is"
            f" not, and {FEWEST_SEEDS} seeds with {FEWEST_NUMBERS} numbers each."
        )
    return lines


def _extrapolated(comparison: Comparison, at: float) -> Iterator[Extrapolation]:
    # Of a distance 0 is perfect, of a share 1; what has no best value has nothing missing to it.
    best = 0.0 if comparison.score.lower_is_better else comparison.score.largest
    found = amounts(comparison, range(len(comparison.rows)))
    if found is None or not math.isfinite(best):
        return
    lines: dict[tuple[str, ...], dict[int, list[tuple[float, float]]]] = {}
    for index, number in found.of.items():
        if number is None or number <= 0:
            continue
        row = comparison.rows[index]
        for run in row.done:
            score = derive(run.counts[comparison.split], comparison.metric, comparison.convention)
            if math.isfinite(score):
                points = lines.setdefault(others_of(row, found.place), {}).setdefault(run.seed or 0, [])
                points.append((number, comparison.direction * (best - score)))
    for others, errors in lines.items():
        if (made := forecast(errors, at)) is not None:
            # No score is below 0.
            values = [max(0.0, best - comparison.direction * error) for error in (made.error, made.low, made.high)]
            score, *ends = values
            yield Extrapolation(others, comparison.factors[found.place], made, score, min(ends), max(ends))


def _sentence(comparison: Comparison, of: Extrapolation) -> str:
    made, score = of.forecast, comparison.score
    numbers = listed([f"{number:g}" for number in made.numbers])
    unit = f" {score.unit}" if score.unit else ""
    return (
        f"Extrapolated to {of.factor}={made.at:g}{''.join(f', {word}' for word in of.others)}: {score.title}"
        f" {of.score:.4f} [{of.low:.4f}, {of.high:.4f}]{unit}. What is missing to a perfect score"
        f" {'falls' if made.power >= 0 else 'rises'} as the number to the power {-made.power:.2f}, through {numbers},"
        f" fitted to each of {plural(made.seeds, 'seed')}{_left_out(made)}; the 95 % interval is over seeds. That the"
        f" law {_assumed(made)} is an assumption, which the interval does not cover."
    )


def _left_out(made: Forecast) -> str:
    if not made.left_out:
        return ""
    have = "has" if made.left_out == 1 else "have"
    return f" ({plural(made.left_out, 'other')} {have} fewer numbers, or nothing missing at one)"


def _assumed(made: Forecast) -> str:
    if made.at > made.numbers[-1]:
        return f"goes on to {made.at / made.numbers[-1]:.2g} times the largest number"
    if made.at < made.numbers[0]:
        return f"begins at {made.at / made.numbers[0]:.2g} times the smallest number"
    return "holds between the numbers"
