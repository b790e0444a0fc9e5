"""The answer to a comparison's question: its verdict, also where nothing could be decided, which claims no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from segbench.reporting.conclusions.longer import cut_off
from segbench.reporting.conclusions.oddities import same_words
from segbench.reporting.conclusions.verdict import Asked, Verdict, verdict
from segbench.reporting.statistics.degenerate import Collapse, Same
from segbench.reporting.statistics.pairs import Pair
from segbench.words import listed

COLLAPSED = "collapsed (learned little or nothing)"
# Whether they would have collapsed too is unknown.
TOO_SHORT = "learned little or nothing by the end, while they were still improving"


def answer(
    asked: Asked,
    ranked: Sequence[int],
    pairs: Sequence[Pair],
    refused: Mapping[tuple[int, int], str],
    same: Sequence[Same] = (),
    collapsed: Mapping[int, Sequence[Collapse]] = MappingProxyType({}),
) -> Verdict:
    """Return the answer.

    Args:
        asked: What was asked and decided.
        ranked: The rows that have a score and did not collapse, the best first.
        pairs: The pairs of rows that could be compared.
        refused: Why the others could not, as the end of a sentence.
        same: Rows that made the same of every image.
        collapsed: The collapsed seeds of each row that has any.
    """
    scored = [index for index, mean in enumerate(asked.means) if mean.mean == mean.mean]
    short, lost = _too_short(asked, collapsed), ""
    improving = frozenset(index for index, kind in short.items() if kind)
    if scored and not ranked:
        return replace(_none_ranked(asked, short), improving=improving)
    found = _answer(asked, ranked, scored, pairs, refused, same)
    if not collapsed:
        return found
    for kind, what in ((False, COLLAPSED), (True, TOO_SHORT)):
        if alike := [index for index in short if short[index] == kind]:
            lost += f" {_not_ranked(asked, {index: len(collapsed[index]) for index in alike})} {what}."
    return replace(found, sentence=found.sentence + lost, rows={**found.rows, **_in_a_word(short)}, improving=improving)


def _not_ranked(asked: Asked, lost: Mapping[int, int]) -> str:
    """Return that rows are not ranked, as so many seeds, which a verb is to follow."""
    labels = listed([asked.labels[index] for index in lost])
    each = [f"{number} of {len(asked.comparison.rows[index].done)}" for index, number in lost.items()]
    if len(lost) == 1:
        return f"{labels} is not ranked, as {'its only seed' if each == ['1 of 1'] else f'{each[0]} seeds'}"
    counted = f"{each[0]} seeds each" if len(set(each)) == 1 else f"{listed(each)} seeds"
    return f"{labels} are not ranked, as {counted}"


def _too_short(asked: Asked, collapsed: Mapping[int, Sequence[Collapse]]) -> dict[int, bool]:
    """Return of rows with trainings that learned little or nothing whether those were still improving at the end."""
    rows = asked.comparison.rows
    return {index: cut_off(rows[index], {one.seed for one in collapsed[index]}) for index in sorted(collapsed)}


def _in_a_word(short: Mapping[int, bool]) -> dict[int, str]:
    return {index: "learned little" if kind else "collapsed" for index, kind in short.items()}


def _none_ranked(asked: Asked, short: Mapping[int, bool]) -> Verdict:
    """Return the answer where every row has trainings that learned little or nothing."""
    if len(set(short.values())) == 1:
        what = TOO_SHORT if all(short.values()) else COLLAPSED
        sentence = f"Every row has trainings that {what}, so none can be ranked."
    else:
        gone, cut = (listed([asked.labels[i] for i in short if short[i] == kind]) for kind in (False, True))
        sentence = f"No row can be ranked: trainings of {gone} {COLLAPSED}; trainings of {cut} {TOO_SHORT}."
    return Verdict("undecided", sentence, rows=_in_a_word(short))


def _answer(
    asked: Asked,
    ranked: Sequence[int],
    scored: Sequence[int],
    pairs: Sequence[Pair],
    refused: Mapping[tuple[int, int], str],
    same: Sequence[Same],
) -> Verdict:
    if not scored:
        return Verdict("undecided", "No finished run has a score: there is no answer yet.")
    leader = ranked[0]
    metric = asked.comparison.score
    value = f"{metric.title} {asked.means[leader].interval(asked.comparison.unit)} {metric.unit}".rstrip()
    if len(asked.means) == 1:
        return Verdict("undecided", f"{value}; as there is only one configuration, nothing is compared.")
    if len(ranked) == 1:
        only = "can be ranked" if len(scored) > 1 else "has a score"
        return Verdict("undecided", f"Only one configuration {only}: {asked.labels[leader]}, {value}.")
    if alike := next((rows for rows in same if set(rows.rows) == set(ranked)), None):
        return Verdict(
            "alike", f"{same_words(asked.comparison, alike)} ({value}).", rows=dict.fromkeys(ranked, "alike")
        )
    if not asked.decision.compared:
        top = "highest" if asked.comparison.direction > 0 else "lowest (the best)"
        highest = f"{asked.labels[leader]} scores {top} ({value})"
        return Verdict("undecided", _untested(asked, highest, pairs, refused))
    return verdict(asked)


def _untested(asked: Asked, highest: str, pairs: Sequence[Pair], refused: Mapping[tuple[int, int], str]) -> str:
    comparison = asked.comparison
    if any(len(pair.difference.seeds) == 1 for pair in pairs):
        seeds = {run.seed for run in comparison.done}
        lead = "One seed" if len(seeds) == 1 else "One shared seed"
        return f"{lead}: {highest}, but what another seed would change is unknown, so nothing is told from chance."
    if pairs:
        return f"One {comparison.single_unit} decides: {highest}, but what other images would change is unknown."
    reasons = sorted(set(refused.values())) or ["the baseline has no score that could be compared"]
    return f"Nothing could be tested: {highest}, but {'; '.join(reasons)}."
