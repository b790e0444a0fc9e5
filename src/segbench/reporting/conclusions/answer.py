"""The answer to a comparison's question in one sentence, which claims no more than the tests do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, isnan
from types import MappingProxyType

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.statistics.pairs import Pair
from segbench.scores.score import Metric
from segbench.words import listed, plural


def answer(
    comparison: Comparison,
    order: Sequence[int],
    intervals: Sequence[str],
    pairs: Sequence[Pair],
    refused: Mapping[tuple[int, int], str],
    detectable: float,
    identical: Mapping[tuple[int, int], int] = MappingProxyType({}),
) -> str:
    """Return the answer.

    Args:
        comparison: What was asked.
        order: Indices of the rows that have a score, the best first.
        intervals: Each row's mean with its interval, as text.
        pairs: The pairs of rows that could be compared.
        refused: Why the others could not, as the end of a sentence.
        detectable: The smallest difference that would have been found with 80 % power; NaN if unknown.
        identical: Pairs of rows that predict the same on all images, and their number.
    """
    score, labels = comparison.score, [row.label for row in comparison.rows]
    metric = score.name.replace("_", " ")
    if not order:
        return "No finished run has a score: there is no answer yet."
    leader, direction = order[0], comparison.direction
    top, above = ("highest", "above") if direction > 0 else ("lowest (the best)", "below")
    if len(order) == 1:
        return f"Only one configuration has a score: {labels[leader]}, {metric} {intervals[leader]}."
    if len(order) == 2 and (images := identical.get((min(order), max(order)))):
        return (
            f"{labels[order[0]]} and {labels[order[1]]} are not distinguishable: identical predictions on all {images}"
            f" images ({metric} {intervals[leader]})."
        )
    tested = [pair for pair in pairs if isfinite(pair.p)]
    highest = f"{labels[leader]} scores {top} ({metric} {intervals[leader]})"
    if not tested:
        return _untested(comparison, highest, pairs, refused)
    against = {_other(pair, leader): pair for pair in tested if leader in (pair.first, pair.second)}
    apart_from = [row for row in order[1:] if row in against and against[row].apart]
    better = [row for row in apart_from if direction * _sign(against[row], leader) < 0]
    if better:
        # The leader's mean is over other seeds than the test's, which sees those alone that both have.
        over = _over(against[better[0]], better[0], labels[leader], score, len(tested))
        return f"{highest}, but on the seeds that both have {labels[better[0]]} scores {above} {over}."
    beaten = [row for row in order if row in against and against[row].apart]
    tied = [row for row in order[1:] if row in against and row not in beaten]
    unpaired = [row for row in order[1:] if row not in against]
    untold = f"{listed([labels[row] for row in tied])} cannot be told from {labels[leader]}" if tied else ""
    if unpaired:
        not_compared = f"{listed([labels[row] for row in unpaired])} could not be compared with {labels[leader]}"
        untold = f"{untold}; {not_compared}" if untold else not_compared
    if beaten:
        over = _over(against[beaten[0]], leader, labels[beaten[0]], score, len(tested))
        if not untold:
            everyone = "all others, the next of them" if len(beaten) > 1 else ""
            return f"{labels[leader]} scores {above} {everyone}{' ' * bool(everyone)}{over}."
        others = f", and {above} {plural(len(beaten) - 1, 'other')}" if len(beaten) > 1 else ""
        return f"{labels[leader]} scores {above} {over}{others}; {untold}."
    apart = [pair for pair in tested if pair.apart]
    if apart:
        clearest = min(apart, key=lambda pair: pair.p)
        winner = clearest.first if direction * clearest.difference.mean > 0 else clearest.second
        over = _over(clearest, winner, labels[_other(clearest, winner)], score, len(tested))
        clearly = f"{plural(len(apart), 'pair')} told apart, most clearly {labels[winner]} {above} {over}"
        return f"{highest}{', but ' * bool(untold)}{untold}; {clearly}."
    found = (
        f", {_over(against[order[1]], leader, labels[order[1]], score, len(tested), f'{above} ')}"
        if order[1] in against
        else ""
    )
    alone = "between two of them, uncorrected, " if len(tested) > 1 else ""
    least = f"a difference of {detectable:.4f}" if detectable < score.largest else "no possible difference"
    power = f"; {least} {alone}would be found in 80 % of such experiments"
    power = "" if isnan(detectable) else power
    return f"No difference can be told from chance: {highest}{found}{power}."


def show_detectable(difference: float, most: float) -> str:
    """Return the smallest difference that would have been found; none is as large as the score itself at most."""
    return f"{difference:.4f}" if difference < most else "none that is possible"


def _untested(
    comparison: Comparison, highest: str, pairs: Sequence[Pair], refused: Mapping[tuple[int, int], str]
) -> str:
    if any(len(pair.difference.seeds) == 1 for pair in pairs):
        seeds = {run.seed for run in comparison.done}
        lead = "One seed" if len(seeds) == 1 else "One shared seed"
        return f"{lead}: {highest}, but what another seed would change is unknown, so nothing is told from chance."
    if pairs:
        return f"One {comparison.single_unit} decides: {highest}, but what other images would change is unknown."
    return f"Nothing could be tested: {highest}, but {'; '.join(sorted(set(refused.values())))}."


def _over(pair: Pair, better: int, other: str, metric: Metric, family: int, lead: str = "") -> str:
    """Return ``B by 0.0120 [0.0040, 0.0200] in dice (p = 0.004 after Holm's correction for 21 pairs)``.

    The figures say by how much the better one is better, so they are positive also where lower is better.
    """
    sign, found = (1 if pair.first == better else -1), pair.difference
    sign *= metric.direction
    low, high = sorted((sign * found.low, sign * found.high))
    p = "p < 0.001" if pair.p_holm < 0.001 else f"p = {pair.p_holm:.3f}"
    corrected = f" after Holm's correction for {family} pairs" if family > 1 else ""
    figures = f"{sign * found.mean:.4f} [{low:.4f}, {high:.4f}]"
    amount = f"{figures} {lead}{other}" if lead else f"{other} by {figures} in {metric.name.replace('_', ' ')}"
    return f"{amount} ({p}{corrected})"


def _sign(pair: Pair, row: int) -> int:
    """Return 1 where a row is above the other of its pair, -1 where below."""
    mean = pair.difference.mean if pair.first == row else -pair.difference.mean
    return 1 if mean > 0 else -1


def _other(pair: Pair, row: int) -> int:
    return pair.second if pair.first == row else pair.first
