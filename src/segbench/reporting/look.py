"""One look of a plan (``decide=true``): which rows need no more seeds, and whether the question is decided."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from segbench.reporting.collection.folders import place
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.statistics.decision import Decision
from segbench.runs.planned_looks import Plan

UNRANKED = "a seed of it learned little or nothing, so that it takes part in no ranking"


@dataclass(frozen=True)
class Judgement:
    """What a look shows.

    Attributes:
        settled: Names of the directories of runs whose rows need no more seeds, each with the reason.
        decided: Whether the question is decided.
        tested: Whether anything could be tested.
    """

    settled: dict[str, str] = field(default_factory=dict)
    decided: bool = False
    tested: bool = False


def judge(folder: Path, names: Collection[str], plan: Plan) -> Judgement:
    """Ask the question of an experiment at one look.

    Args:
        folder: Its folder.
        names: Names of the directories of the finished runs that count.
        plan: The plan, with this look taken.

    Raises:
        ConfigError: If the runs are not comparable.
    """
    wanted = {place(folder / name): name for name in names}
    runs = [run for run in collect([folder]) if place(run.directory) in wanted]
    if not runs:
        return Judgement()
    comparison = compare(runs, plan=plan)
    found = evidence(comparison)
    decision = found.decision
    settled = {
        wanted[place(run.directory)]: reason
        for row, reason in (dict.fromkeys(found.unranked, UNRANKED) | _settled(comparison, decision)).items()
        for joined in comparison.rows[row].done
        for run in joined.each
    }
    # Rows that are alike within a margin that was asked for need no more seeds either: that is an answer.
    alike = comparison.margin is not None and found.verdict.word == "alike"
    closed = alike or not _open(decision)
    return Judgement(settled, bool(decision.compared) and closed, bool(decision.compared))


def _open(decision: Decision) -> set[int]:
    """Return the rows of which something is still to be decided; a single best row is not."""
    if decision.question == "best":
        return set(decision.shortlist) if len(decision.shortlist) > 1 else set()
    tested = {row for one in decision.compared for row in one.rows}
    undecided = {row for one in decision.compared if not one.verdict for row in one.rows}
    return (undecided | ({standing.row for standing in decision.standings} - tested)) - {decision.baseline}


def _settled(comparison: Comparison, decision: Decision) -> dict[int, str]:
    """Return the rows that need no more seeds, each with the reason."""
    labels = [row.label for row in comparison.rows]
    if decision.question == "best":
        return {
            standing.row: f"{labels[standing.rival]} is better (p = {standing.p:.2g})"
            for standing in decision.standings
            if standing.ruled_out and standing.rival is not None
        }
    still = _open(decision)
    found = {}
    for one in decision.compared:
        for row in one.rows:
            if row not in still and row != decision.baseline:
                words = "told from all others" if decision.baseline is None else _against(one.verdict, one.p)
                found[row] = words
    return found


def _against(verdict: int, p: float) -> str:
    return f"{'better' if verdict > 0 else 'worse'} than the baseline (p = {p:.2g})"
