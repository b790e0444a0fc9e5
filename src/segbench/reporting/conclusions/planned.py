"""An experiment that is decided look by look (``decide=true``): the decision of each look, and what a report says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.statistics.deciding import decide
from segbench.reporting.statistics.decision import Decision
from segbench.reporting.statistics.jackknife import Side, UnpairedError, layout
from segbench.reporting.statistics.pairs import compare_pairs
from segbench.runs.planned_looks import Plan
from segbench.words import listed, plural

_ENDS = {
    "decided": "It ended there, as the question is decided.",
    "budget": "It stopped there, as the next look did not fit into decide.hours.",
    "looks": "It was the last.",
    "untested": "It ended there, as nothing can be tested.",
}


def decide_looks(comparison: Comparison, plan: Plan, sides: Sequence[Side], members: Sequence[int]) -> Decision:
    """Return what the looks decide together: of a row that was dropped, what the look after which it was says.

    At each look the rows that were left are compared with each other, by the seeds that it had and at its error rate.

    Args:
        comparison: The experiment.
        plan: Its plan.
        sides: The runs of every row by seed.
        members: The rows that can be ranked.
    """
    taken = [_at(comparison, plan, number, sides, members) for number in range(1, max(len(plan.taken), 1) + 1)]
    standings, compared = [*taken[-1].standings], [*taken[-1].compared]
    for number, found in reversed(list(enumerate(taken[:-1], 1))):
        gone = {row for row, look in comparison.dropped.items() if look == number}
        standings += [standing for standing in found.standings if standing.row in gone]
        best = found.question == "best"
        compared += [one for one in found.compared if gone & ({one.second} if best else set(one.rows))]
    return replace(taken[-1], standings=tuple(standings), compared=tuple(compared))


def _at(comparison: Comparison, plan: Plan, number: int, sides: Sequence[Side], members: Sequence[int]) -> Decision:
    left = sorted(row for row in members if comparison.dropped.get(row, number) >= number)
    known = {row: {seed: runs for seed, runs in sides[row].items() if seed in plan.known_at(number)} for row in left}
    means = {row: mean for row in left if (mean := _mean(known[row])) is not None}
    order = sorted(means, key=lambda row: -comparison.direction * means[row])
    most = comparison.score.largest
    pairs = compare_pairs(left, [known[row] for row in left], most)
    asked = comparison.family, comparison.baseline, comparison.direction
    return decide(pairs.tests, order, pairs.pool, *asked, most, plan.rates[number - 1])


def _mean(side: Side) -> float | None:
    try:
        return float(layout(side).scores[0].mean()) if side else None
    except UnpairedError:
        return None


def looks_taken(comparison: Comparison) -> tuple[str, ...]:
    """Return at which look an experiment is and which rows were dropped; nothing where there is no plan of looks."""
    plan = comparison.plan
    if plan is None:
        return ()
    several = f"{len(plan.looks)} planned looks ({listed([str(count) for count in plan.looks], 9)} seeds)"
    if not plan.taken:
        return (f"Before the first of {several}: nothing is decided yet, so wait for it.",)
    rate = f"at an error rate of {100 * plan.rate:.2g} % so that all together keep to 5 %"
    found = [f"Look {len(plan.taken)} of {several}, {rate}."]
    if gone := comparison.dropped:
        named = [f"{comparison.rows[row].label} (look {look})" for row, look in gone.items()]
        found.append(f"No more seeds were trained for {listed(named, 9)}.")
    if failed := plan.taken[-1].failed:
        found.append(f"{plural(len(failed), 'run')} failed before it: {listed(failed)}.")
    found.append(_ENDS[plan.end] if plan.end else "It goes on with the same command.")
    return (" ".join(found),)
