"""The answer to a comparison's question in one sentence, which claims no more than the tests do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, isnan

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.oddities import same_words
from segbench.reporting.statistics.degenerate import Same
from segbench.reporting.statistics.pairs import Pair
from segbench.scores.score import Metric
from segbench.words import listed, plural

NO_SCORE = "No finished run has a score: there is no answer yet."


@dataclass(frozen=True)
class _Standing:
    """The rows in the order of their scores, and what the tests say of the first of them, the leader.

    Attributes:
        comparison: What was asked.
        order: Indices of the rows that have a score, the best first.
        tested: The pairs of rows with a test.
    """

    comparison: Comparison
    order: Sequence[int]
    tested: Sequence[Pair]

    @cached_property
    def labels(self) -> list[str]:
        """Each row in words."""
        return [row.label for row in self.comparison.rows]

    @property
    def metric(self) -> str:
        """The deciding metric in words."""
        return self.comparison.score.name.replace("_", " ")

    @property
    def unit(self) -> str:
        """What stands behind a value of the metric: its unit, if it has one."""
        return f" {self.comparison.score.unit}".rstrip()

    @property
    def top(self) -> str:
        """How the leader scores."""
        return "highest" if self.comparison.direction > 0 else "lowest (the best)"

    @property
    def above(self) -> str:
        """How the better of two rows scores."""
        return "above" if self.comparison.direction > 0 else "better (lower) than"

    @cached_property
    def against(self) -> dict[int, Pair]:
        """The leader's tests, by the other row."""
        leader = self.order[0]
        return {_other(pair, leader): pair for pair in self.tested if leader in (pair.first, pair.second)}

    @cached_property
    def overtaken_by(self) -> list[int]:
        """Rows that are better than the leader in the test."""
        leader, direction = self.order[0], self.comparison.direction
        return [row for row in self._apart if direction * _sign(self.against[row], leader) < 0]

    @property
    def beaten(self) -> list[int]:
        """Rows that are worse than the leader in the test."""
        return [row for row in self._apart if row not in self.overtaken_by]

    @property
    def untold(self) -> str:
        """Which rows are not known to differ from the leader, as a clause; empty if all do."""
        leader, others = self.labels[self.order[0]], [row for row in self.order[1:] if row not in self._apart]
        tied = [self.labels[row] for row in others if row in self.against]
        unpaired = [self.labels[row] for row in others if row not in self.against]
        clauses = [f"{listed(tied)} cannot be told from {leader}"] if tied else []
        clauses += [f"{listed(unpaired)} could not be compared with {leader}"] if unpaired else []
        return "; ".join(clauses)

    def over(self, pair: Pair, better: int, lead: str = "") -> str:
        """Return ``B by 0.0120 [0.0040, 0.0200] in dice (p = 0.004 after Holm's correction for 21 pairs)``.

        The figures say by how much the better one is better, so they are positive also where lower is better.

        Args:
            pair: The two rows.
            better: The one that is better.
            lead: A word to put between the figures and the other row, ``0.0120 [0.0040, 0.0200] above B``.
        """
        found, other = pair.difference, self.labels[_other(pair, better)]
        sign = self.comparison.direction * (1 if pair.first == better else -1)
        low, high = sorted((sign * found.low, sign * found.high))
        p = "p < 0.001" if pair.p_holm < 0.001 else f"p = {pair.p_holm:.3f}"
        corrected = f" after Holm's correction for {len(self.tested)} pairs" if len(self.tested) > 1 else ""
        figures = f"{sign * found.mean:.4f} [{low:.4f}, {high:.4f}]{self.unit}"
        amount = f"{figures} {lead} {other}" if lead else f"{other} by {figures} in {self.metric}"
        return f"{amount} ({p}{corrected})"

    @cached_property
    def _apart(self) -> list[int]:
        return [row for row in self.order[1:] if row in self.against and self.against[row].apart]


def answer(
    comparison: Comparison,
    order: Sequence[int],
    intervals: Sequence[str],
    pairs: Sequence[Pair],
    refused: Mapping[tuple[int, int], str],
    detectable: float,
    same: Sequence[Same] = (),
) -> str:
    """Return the answer.

    Args:
        comparison: What was asked.
        order: Indices of the rows that are ranked, the best first.
        intervals: Each row's mean with its interval, as text.
        pairs: The pairs of rows that could be compared.
        refused: Why the others could not, as the end of a sentence.
        detectable: The smallest difference that would have been found with 80 % power; NaN if unknown.
        same: Rows that made the same of every image.
    """
    table = _Standing(comparison, order, [pair for pair in pairs if isfinite(pair.p)])
    if not order:
        some = any(row.scores[comparison.metric].n for row in comparison.rows if row.scores)
        return "Every row collapsed: none can be ranked." if some else NO_SCORE
    leader = order[0]
    value = f"{table.metric} {intervals[leader]}{table.unit}"
    if len(order) == 1:
        others = "can be ranked" if len(comparison.rows) > 1 else "has a score"
        return f"Only one configuration {others}: {table.labels[leader]}, {value}."
    if alike := next((rows for rows in same if set(rows.rows) == set(order)), None):
        return f"{same_words(comparison, alike)} ({value})."
    highest = f"{table.labels[leader]} scores {table.top} ({value})"
    if not table.tested:
        return _untested(comparison, highest, pairs, refused)
    if table.overtaken_by:
        rival = table.overtaken_by[0]
        # The leader's mean is over other seeds than the test's, which sees those alone that both have.
        over = table.over(table.against[rival], rival)
        return f"{highest}, but on the seeds that both have {table.labels[rival]} scores {table.above} {over}."
    if table.beaten:
        return _leader_told_apart(table)
    if any(pair.apart for pair in table.tested):
        return _others_told_apart(table, highest)
    return _none_told_apart(table, highest, detectable)


def show_detectable(difference: float, score: Metric) -> str:
    """Return the smallest difference that would have been found; none is as large as the score itself at most."""
    return f"{difference:.4f} {score.unit}".rstrip() if difference < score.largest else "none that is possible"


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


def _leader_told_apart(table: _Standing) -> str:
    """Return the answer where the leader is better than at least one row."""
    leader, beaten, untold = table.order[0], table.beaten, table.untold
    over = table.over(table.against[beaten[0]], leader)
    if not untold:
        everyone = "all others, the next of them " if len(beaten) > 1 else ""
        return f"{table.labels[leader]} scores {table.above} {everyone}{over}."
    others = f", and {table.above} {plural(len(beaten) - 1, 'other')}" if len(beaten) > 1 else ""
    return f"{table.labels[leader]} scores {table.above} {over}{others}; {untold}."


def _others_told_apart(table: _Standing, highest: str) -> str:
    """Return the answer where the leader differs from no row, but others differ from each other."""
    apart = [pair for pair in table.tested if pair.apart]
    clearest = min(apart, key=lambda pair: pair.p)
    winner = clearest.first if table.comparison.direction * clearest.difference.mean > 0 else clearest.second
    clearly = f"most clearly {table.labels[winner]} {table.above} {table.over(clearest, winner)}"
    untold = f", but {table.untold}" if table.untold else ""
    return f"{highest}{untold}; {plural(len(apart), 'pair')} told apart, {clearly}."


def _none_told_apart(table: _Standing, highest: str, detectable: float) -> str:
    """Return the answer where no two rows differ, with what would have been found."""
    leader, runner_up = table.order[:2]
    found = f", {table.over(table.against[runner_up], leader, table.above)}" if runner_up in table.against else ""
    if isnan(detectable):
        return f"No difference can be told from chance: {highest}{found}."
    alone = "between two of them, uncorrected, " if len(table.tested) > 1 else ""
    possible = detectable < table.comparison.score.largest
    least = f"a difference of {detectable:.4f}{table.unit}" if possible else "no possible difference"
    power = f"{least} {alone}would be found in 80 % of such experiments"
    return f"No difference can be told from chance: {highest}{found}; {power}."


def _sign(pair: Pair, row: int) -> int:
    """Return 1 where a row is above the other of its pair, -1 where below."""
    mean = pair.difference.mean if pair.first == row else -pair.difference.mean
    return 1 if mean > 0 else -1


def _other(pair: Pair, row: int) -> int:
    return pair.second if pair.first == row else pair.first
