"""What finished runs show: the figures between the table and the answer.

Each is explained in ``docs/statistics.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median_low
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.answer import answer
from segbench.reporting.conclusions.caveats import caveats
from segbench.reporting.conclusions.claims import JudgedClaim, judge
from segbench.reporting.conclusions.oddities import oddities
from segbench.reporting.conclusions.planned import decide_looks, looks_taken
from segbench.reporting.conclusions.verdict import Asked, Verdict
from segbench.reporting.statistics.compact_letter_display import compact_letter_display
from segbench.reporting.statistics.deciding import decide
from segbench.reporting.statistics.decision import Decision
from segbench.reporting.statistics.degenerate import collapses, same_rows
from segbench.reporting.statistics.families import LEVEL
from segbench.reporting.statistics.jackknife import Layout, Parts, UnpairedError, by_seed, layout
from segbench.reporting.statistics.margin import Margin, margin_of
from segbench.reporting.statistics.means import ENOUGH, Mean, means_of
from segbench.reporting.statistics.networks import Networks, compare_networks
from segbench.reporting.statistics.outlook import Outlook
from segbench.reporting.statistics.pairs import Pair, Pairs, compare_pairs
from segbench.reporting.statistics.ranks import rank_probabilities
from segbench.reporting.statistics.variance_components import Components, components
from segbench.scores.arithmetic import Floats

# Pairs grow with the square of the rows, and a correction for thousands of them would leave nothing to find.
MOST_ROWS = 50


@dataclass(frozen=True)
class Evidence:
    """All figures of a comparison, rows in the order of :attr:`segbench.reporting.comparison.model.Comparison.rows`.

    Attributes:
        means: One per row.
        pairs: Every pair of rows that can be compared.
        letters: The compact letter display, one text per row: rows that share a letter cannot be told apart; empty
            unless all pairs were asked for and tested.
        ranks: float64 (R,R): probability of row i to have rank j (0 = best) over resampled seeds and groups; rows of
            NaN where it cannot be said.
        best: float64 (R,): probability of being best, the first column of ``ranks``.
        outlook: What the corrected decision can find, where differences vary, and what more seeds would do; None where
            no pair shows it.
        verdict: The answer to the comparison's question.
        decision: What the corrected comparisons decide of the question that was asked.
        margin: Within what two rows are alike.
        networks: What the trained networks show on other images, whatever another training would; None where nothing.
        caveats: Sentences about what cannot be concluded (one seed, few groups, ...).
        claims: The declared claims, judged by the rows.
        rate: Error rate of the decision: where looks are planned, that of the look.
        ends: What the ends of the means are, in words: ``95 % interval`` or ``range over images``.
        unranked: Rows that take part in no ranking, as a seed of theirs collapsed: neither best nor set in bold.
    """

    means: tuple[Mean, ...]
    pairs: tuple[Pair, ...]
    letters: tuple[str, ...]
    ranks: NDArray[np.float64]
    best: NDArray[np.float64]
    outlook: Outlook | None
    verdict: Verdict
    decision: Decision
    margin: Margin
    networks: Networks | None = None
    caveats: tuple[str, ...] = ()
    claims: tuple[JudgedClaim, ...] = ()
    ends: str = "95 % interval"
    rate: float = LEVEL
    unranked: frozenset[int] = frozenset()

    @property
    def top(self) -> frozenset[int]:
        """Rows that stand out: they may be the best where others are not, or are better than the baseline."""
        decision = self.decision
        if decision.question == "baseline":
            return frozenset(found.first for found in decision.compared if found.verdict > 0)
        if decision.question == "best":
            return frozenset(decision.shortlist if decision.ruled_out else ())
        lettered = [standing.row for standing in decision.standings if self.letters[standing.row]]
        shared = {row for row in lettered if {*self.letters[row]} & {*self.letters[lettered[0]]}}
        return frozenset(shared if len(shared) < len(lettered) else ())

    def pair(self, first: int, second: int) -> Pair | None:
        """Return what is known of two rows, the one named first first; None where they could not be compared."""
        found = next((one for one in self.pairs if {one.first, one.second} == {first, second}), None)
        return found if found is None or found.first == first else found.turned

    @property
    def answer(self) -> str:
        """The answer in one sentence."""
        return self.verdict.sentence


_KNOWN: WeakKeyDictionary[Comparison, Evidence] = WeakKeyDictionary()


def evidence(comparison: Comparison) -> Evidence:
    """Return what the finished runs of a comparison show; worked out once for each comparison.

    Nothing is raised for what is lacking (seeds, groups, scores): such figures are NaN or empty, and ``caveats`` says
    why. Of more than :data:`MOST_ROWS` rows the best are compared with each other.
    """
    if comparison not in _KNOWN:
        _KNOWN[comparison] = _measure(comparison)
    return _KNOWN[comparison]


def _measure(comparison: Comparison) -> Evidence:
    rows, convention, direction, plan = comparison.rows, comparison.convention, comparison.direction, comparison.plan
    most, groups = comparison.score.largest, _fewest_groups(comparison)
    sides = [by_seed(row.done, comparison.split, comparison.metric, convention) for row in rows]
    alone = [_alone(side) for side in sides]
    collapsed, same = collapses(comparison), same_rows(comparison)
    means = means_of(alone, most, groups, collapsed)
    order = _best_first(means, direction)
    ranked = [index for index in order if index not in collapsed]
    compared, decision = _decide(comparison, sides, order, collapsed)
    fit = [None if index in collapsed else found for index, found in enumerate(alone)]
    margin, ranks = margin_of(comparison.margin, fit, most), _ranks(fit, direction)
    outlook = _outlook(comparison, compared, max((found.overlap for found in alone if found), default=0.0), collapsed)
    asked = Asked(comparison, means, decision, margin)
    rate = LEVEL if plan is None else plan.rate
    return Evidence(
        means=means,
        ends="95 % interval" if groups >= ENOUGH else f"range over {comparison.unit}",
        pairs=compared.pairs,
        letters=_letters(len(rows), decision),
        ranks=ranks,
        best=ranks[:, 0] if len(rows) else np.zeros(0),
        outlook=outlook,
        verdict=answer(asked, ranked, compared.pairs, compared.refused, same, collapsed),
        decision=decision,
        margin=margin,
        networks=compare_networks(alone, ranked, direction, most),
        rate=rate,
        claims=judge(comparison, comparison.claims, compared.pool, rate, decision),
        caveats=(
            *looks_taken(comparison),
            *oddities(comparison, collapsed, same),
            *caveats(comparison, alone, compared.pairs, compared.refused, order[MOST_ROWS:], collapsed),
        ),
        unranked=frozenset(collapsed),
    )


def _decide(
    comparison: Comparison, sides: Sequence[dict[int, list[Parts]]], order: Sequence[int], collapsed: Collection[int]
) -> tuple[Pairs, Decision]:
    """Return all pairs of the best rows, the baseline among them, and what is decided of those that are ranked."""
    direction, most = comparison.direction, comparison.score.largest
    baseline = [row for row in order if row == comparison.baseline]
    members = sorted({*order[:MOST_ROWS], *baseline})
    compared = compare_pairs(members, [sides[index] for index in members], most, collapsed)
    ranked = [row for row in order if row in members and row not in collapsed]
    if comparison.plan is not None:
        return compared, decide_looks(comparison, comparison.plan, sides, ranked)
    question = comparison.family, comparison.baseline
    return compared, decide(compared.tests, ranked, compared.pool, *question, direction, most)


def difference_variances(comparison: Comparison) -> tuple[Components | None, int]:
    """Return where the differences between rows vary, the mean over all pairs of 2 seeds and groups or more.

    Of more than :data:`MOST_ROWS` rows the best are taken, the same whose pairs :func:`evidence` tests.

    Returns:
        The variances, None where no pair shows them, and the number of pairs.
    """
    sides = [by_seed(row.done, comparison.split, comparison.metric, comparison.convention) for row in comparison.rows]
    means = means_of([_alone(side) for side in sides], comparison.score.largest, _fewest_groups(comparison))
    fit = sorted(_best_first(means, comparison.direction)[:MOST_ROWS])
    tables = compare_pairs(fit, [sides[index] for index in fit]).tables
    return components(tables), sum(min(table.shape) > 1 for table in tables)


def _best_first(means: Sequence[Mean], direction: int) -> list[int]:
    """Return the indices of the rows that have a mean, the best first."""
    scored = [index for index, mean in enumerate(means) if np.isfinite(mean.mean)]
    return sorted(scored, key=lambda index: -direction * means[index].mean)


def _fewest_groups(comparison: Comparison) -> int:
    """Return from how many groups of images the scores of a run come, of the run with the fewest."""
    return min((len(set(part.groups)) for part in comparison.parts), default=0)


def _alone(side: dict[int, list[Parts]]) -> Layout | None:
    """Return one configuration laid out by itself; None where it has no score, or several runs of a seed differ."""
    try:
        return layout(side) if side else None
    except UnpairedError:
        return None


def _ranks(alone: Sequence[Layout | None], direction: int) -> Floats:
    """Return the rank probabilities (R,R); NaN for rows that vary in nothing that is known, or have nothing beside."""
    result = np.full((len(alone), len(alone)), np.nan)
    fit = [
        index
        for index, found in enumerate(alone)
        if found is not None and found.known and min(len(found.seeds), len(found.groups)) > 1
    ]
    if len(fit) > 1:
        result[fit] = 0
        result[np.ix_(fit, range(len(fit)))] = rank_probabilities(
            [found for i in fit if (found := alone[i])], direction=direction
        )
    return result


def _letters(count: int, decision: Decision) -> tuple[str, ...]:
    """Return each row's letters; none for a row of which no pair could be tested, or where not all pairs were."""
    if decision.question != "pairs":
        return ("",) * count
    tested = {row for found in decision.compared for row in found.rows}
    order = [standing.row for standing in decision.standings if standing.row in tested]
    found = compact_letter_display(order, [found.rows for found in decision.compared if found.verdict])
    return tuple(found.get(index, "") for index in range(count))


def _outlook(comparison: Comparison, compared: Pairs, overlap: float, collapsed: Collection[int]) -> Outlook | None:
    """Return what the usual pair of ranked rows shows: the median numbers of seeds and groups, the mean variances."""
    variances, tests = components(compared.tables), [test for test in compared.tests if not {*test.rows} & {*collapsed}]
    if variances is None or not tests or not variances.shares:
        return None
    seeds, groups = (median_low(test.errors.freedom[place] + 1 for test in tests) for place in (0, 1))
    rows = len({row for test in tests for row in test.rows})
    pooled = bool(compared.pool.own)
    return Outlook(variances, int(seeds), int(groups), rows, comparison.family, overlap, pooled)
