"""What to do next: train longer what was still improving; how many seeds would settle what is undecided.

With how long that takes, and the command.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.conclusions.longer import (
    TIMES,
    about,
    overrides_without,
    seconds_of,
    to_fill_in,
    train_longer,
    with_value,
)
from segbench.reporting.conclusions.provenance import Origin, sweep_commands
from segbench.reporting.conclusions.verdict import word_of
from segbench.reporting.statistics.decision import Compared
from segbench.reporting.statistics.outlook import MOST_SEEDS, Outlook
from segbench.runs.directory import PRUNED
from segbench.runs.planned_looks import Plan
from segbench.words import plural

# A design with one seed or none that can be compared gets as many as show how seeds vary.
FEWEST = 3
# Times by which the slowest row's training takes longer, for the fastest one to be named.
TOLD = 1.1
# More seeds than these nobody is told to paste.
MOST = 30
# Runs that count in no mean and are not to be gone on with.
_OVER = ("excluded", PRUNED)


def next_steps(comparison: Comparison, found: Evidence) -> list[Origin]:
    """Return what is to be done, each with its command, the first thing first, or that nothing is.

    Args:
        comparison: What was compared.
        found: What it shows.
    """
    steps = [train_longer(comparison, found.verdict.improving), _settle_it(comparison, found)]
    # Seeds that stop too early settle only which row begins better; but a report's epochs are part of its question.
    if comparison.published or comparison.claims:
        steps.reverse()
    steps.insert(0, _finish(comparison))
    return [step for step in steps if step is not None] or _nothing_left(comparison, found)


def _finish(comparison: Comparison) -> Origin | None:
    """Return how to train what was planned and is not done; None where all is, or where a plan's looks say it."""
    left = [part for run, _ in comparison.unfinished if run.state not in _OVER for part in run.each]
    if not left or comparison.plan is not None:
        return None
    done = comparison.trained
    lacking = f"{len(left)} of {plural(len(left) + len(done), 'run')} {'is' if len(left) == 1 else 'are'} not done"
    # One sweep of all where that is one, as it was typed; else only of what is left.
    commands = min((sweep_commands(runs, comparison.title, places=True) for runs in ([*done, *left], left)), key=len)
    return Origin(f"Finish the sweep: {lacking} (the others are skipped){to_fill_in(commands)}:", tuple(commands))


def _nothing_left(comparison: Comparison, found: Evidence) -> list[Origin]:
    """Say that no further training answers the question better; nothing where it is not answered for all rows."""
    if _is_open(found) or any(run.state not in _OVER for run, _ in comparison.unfinished):
        return []
    if found.verdict.word == "better":
        return [Origin("Nothing more to train: the question is decided.")]
    out = {*found.unranked, *found.decision.ruled_out}
    rows = [row for index, row in enumerate(comparison.rows) if row.done and index not in out]
    alike = "Nothing more to train: the rows that may be best" if out else "Nothing more to train: the rows"
    times = {row.label: seconds_of(row) for row in rows}
    known = {label: seconds for label, seconds in times.items() if math.isfinite(seconds)}
    if len(known) < 2 or max(known.values()) < TOLD * min(known.values()):
        return [Origin(f"{alike} are alike, so take whichever suits you.")]
    fastest = min(known, key=lambda label: known[label])
    took = about(known[fastest]).removeprefix(", about ")
    return [Origin(f"{alike} are alike, so choose by cost; {fastest} trains fastest ({took}).")]


def _settle_it(comparison: Comparison, found: Evidence) -> Origin | None:
    """Return how to settle what is undecided; None where nothing is."""
    rows = [comparison.rows[index] for index in range(len(found.means)) if index not in found.unranked]
    scored = [row for row in rows if row.done]
    if not _is_open(found) or len(scored) < 2:
        return None
    if comparison.plan is not None and comparison.plan.end != "looks":
        return _go_on(comparison, comparison.plan) if comparison.plan.end in (None, "budget") else None
    if found.outlook is None or not found.decision.compared:
        return _without_outlook(comparison, found, scored)
    open_ones = [one for one in found.decision.compared if word_of(one, found.margin) == "undecided"]
    if not open_ones:
        return None
    closest = max(open_ones, key=lambda one: abs(one.gain))
    involved = sorted({row for one in open_ones for row in one.rows} - {*found.decision.ruled_out})
    return _settle(found, found.outlook, closest, [comparison.rows[row] for row in involved], comparison)


def _without_outlook(comparison: Comparison, found: Evidence, rows: Sequence[Row]) -> Origin | None:
    """Return what to do where nothing says how many seeds would settle it: each has images or folds of its own."""
    seeds = min(len(_seeds([row])) for row in rows)
    if seeds < FEWEST:
        return _step(comparison, "To know what other seeds would change, if not yet which is better", rows, FEWEST)
    if not found.decision.compared or TIMES * seeds > MOST:
        return None
    aim = f"Each seed has {comparison.unit} of its own, so nothing says how many would settle it. To narrow it"
    return _step(comparison, aim, rows, TIMES * seeds)


def _is_open(found: Evidence) -> bool:
    """Say whether something that was asked is undecided: against a baseline or of pairs, of any row."""
    each = found.decision.question != "best" and any(
        word_of(one, found.margin) == "undecided" for one in found.decision.compared
    )
    return found.verdict.word == "undecided" or each


def _settle(
    found: Evidence, outlook: Outlook, closest: Compared, rows: Sequence[Row], comparison: Comparison
) -> Origin | None:
    """Return how many seeds would find the clearest difference that is open, or the margin where that is more."""
    margin = found.margin.value
    wanted = max(abs(closest.gain), margin if math.isfinite(margin) else 0.0)
    if not wanted:
        return None
    shown = f"{wanted:.2g}"
    first, second = (comparison.rows[row].label for row in closest.rows)
    what = f"{shown} {comparison.score.unit}".rstrip() + f" between {first} and {second}"
    needed = outlook.settle(float(shown))
    if needed is None:
        # Further folds of the same images would tell little more.
        more = comparison.images if comparison.folds else comparison.unit
        return Origin(f"Even {MOST_SEEDS} seeds each would not settle {what}: that takes more {more}.")
    if needed > MOST:
        time = about(sum(_missing(row, needed) * seconds_of(row) for row in rows))
        return Origin(f"It would take {needed} seeds each to settle {what}{time}.")
    least = min(len(_seeds([row])) for row in rows)
    if needed <= least:
        return Origin(
            f"{plural(least, 'seed')} each find a true difference of {what} in 80 % of such experiments; these did not,"
            " so it is more likely to be smaller."
        )
    return _step(comparison, f"To find a true difference of {what} in 80 % of such experiments", rows, needed)


def _step(comparison: Comparison, aim: str, rows: Sequence[Row], seeds: int) -> Origin:
    """Return the words with the time, and the command for so many seeds of each row, those that there are included."""
    if comparison.plan is not None:
        return _afresh(comparison.plan, aim, seeds)
    lead = f"{aim}: {_more(rows, seeds)}"
    runs = [run for row in rows for run in _planned(row, seeds)]
    time = sum(_missing(row, seeds) * seconds_of(row) for row in rows)
    commands = sweep_commands(runs, comparison.title, places=True)
    return Origin(f"{lead}{about(time)} (what is trained is skipped){to_fill_in(commands)}:", tuple(commands))


def _go_on(comparison: Comparison, plan: Plan) -> Origin:
    """Return how the looks that are left are taken: the command of the plan, and how long the next one takes."""
    seeds = plan.looks[min(len(plan.taken), len(plan.looks) - 1)]
    left = [row for index, row in enumerate(comparison.rows) if index not in comparison.dropped and row.done]
    time = sum(_missing(row, seeds) * seconds_of(row) for row in left)
    asked = ["decide=true", f"decide.looks=[{','.join(map(str, plan.looks))}]"]
    asked += [f"decide.first={plan.first}"] if plan.first else []
    # The plan says which seeds; all of its rows stand in its command, those that get no more too.
    runs = [
        replace(part, seed=None, overrides=(*overrides_without(part, "seed"), *asked))
        for row in comparison.rows
        for part in row.runs[0].each
    ]
    budget = " (it stopped at decide.hours, which are not in this command)" if plan.end else ""
    commands = sweep_commands(runs, comparison.title, places=True)
    return Origin(f"Go on to the look at {seeds} seeds{about(time)}{budget}{to_fill_in(commands)}:", tuple(commands))


def _afresh(plan: Plan, aim: str, seeds: int) -> Origin:
    """Return how to ask again after the last planned look: seeds added to it would err more often than in 5 %.

    The seeds of the first plan are no evidence a second time, so the new one goes on from them.
    """
    last = plan.looks[-1]
    return Origin(
        f"The planned looks are used up, and the question stays undecided; add no seeds. {aim}, plan afresh in a"
        f" new folder, with new seeds, and report both answers: the same command with"
        f" decide.looks=[{last},{max(seeds, last + 1)}] decide.first={plan.first + last} paths.outputs=outputs-again."
    )


def _more(rows: Sequence[Row], seeds: int) -> str:
    """Return ``3 more seeds each``, or of one row that lacks them ``1 more seed of unet``."""
    lacking = [row for row in rows if _missing(row, seeds)]
    counts = sorted({_missing(row, seeds) for row in lacking})
    few = plural(counts[0], "more seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} more seeds"
    return f"{few} {'each' if len(lacking) > 1 else f'of {lacking[0].label}'}"


def _planned(row: Row, seeds: int) -> list[Run]:
    """Return the runs of a row with so many seeds: those that are done, and copies of the first for the others."""
    have = _seeds([row])
    new = [seed for seed in range(max(have) + seeds + 1) if seed not in have][: max(0, seeds - len(have))]
    parts = [part for run in row.done for part in run.each]
    again = [(part, seed) for seed in new for part in row.done[0].each]
    return parts + [replace(with_value(part, "seed", seed), seed=seed) for part, seed in again]


def _seeds(rows: Sequence[Row]) -> set[int]:
    return {run.seed for row in rows for run in row.done if run.seed is not None}


def _missing(row: Row, seeds: int) -> int:
    return max(0, seeds - len(_seeds([row])))
