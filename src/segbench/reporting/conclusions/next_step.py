"""What to do next where a question is undecided: how many seeds would settle it, how long they take, the command."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import replace

from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.conclusions.provenance import Origin, sweep_commands
from segbench.reporting.conclusions.verdict import word_of
from segbench.reporting.statistics.decision import Compared
from segbench.reporting.statistics.outlook import MOST_SEEDS, Outlook
from segbench.runs.planned_looks import Plan
from segbench.words import plural

# A design with one seed or none that can be compared gets as many as show how seeds vary.
FEWEST = 3
# More seeds than these nobody is told to paste.
MOST = 30

_MORE_HOURS = "The planned looks go on with the same command and a larger decide.hours."


def next_step(comparison: Comparison, found: Evidence) -> Origin | None:
    """Return the words, and the command that trains the seeds; None where there is nothing to settle.

    Args:
        comparison: What was compared.
        found: What it shows.
    """
    rows = [comparison.rows[index] for index in range(len(found.means)) if index not in found.unranked]
    scored = [row for row in rows if row.done]
    if found.verdict.word != "undecided" or len(scored) < 2:
        return None
    if comparison.plan is not None and comparison.plan.end != "looks":
        return Origin(_MORE_HOURS) if comparison.plan.end == "budget" else None
    if found.outlook is None or not found.decision.compared:
        seeds = min(len(_seeds([row])) for row in scored)
        return _step(comparison, "To know what other seeds would change", scored, FEWEST) if seeds < FEWEST else None
    open_ones = [one for one in found.decision.compared if word_of(one, found.margin) == "undecided"]
    if not open_ones:
        return None
    closest = max(open_ones, key=lambda one: abs(one.gain))
    involved = sorted({row for one in open_ones for row in one.rows} - {*found.decision.ruled_out})
    return _settle(found, found.outlook, closest, [comparison.rows[row] for row in involved], comparison)


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
        return Origin(f"Even {MOST_SEEDS} seeds each would not settle {what}: that takes more {comparison.unit}.")
    if needed > MOST:
        return Origin(f"It would take {needed} seeds each to settle {what}.")
    least = min(len(_seeds([row])) for row in rows)
    if needed <= least:
        return Origin(
            f"{plural(least, 'seed')} each find a true difference of {what} in 80 % of such experiments; these did not,"
            " so it is more likely to be smaller."
        )
    return _step(comparison, f"To settle {what}", rows, needed)


def _step(comparison: Comparison, aim: str, rows: Sequence[Row], seeds: int) -> Origin:
    """Return the words with the time, and the command for so many seeds of each row, those that there are included."""
    if comparison.plan is not None:
        return _afresh(comparison.plan, aim, seeds)
    lead = f"{aim}: {_more(rows, seeds)}"
    runs = [run for row in rows for run in _planned(row, seeds)]
    time = sum(_missing(row, seeds) * _time(row) for row in rows)
    about = f", about {_about(time)}" if math.isfinite(time) and time > 0 else ""
    commands = sweep_commands(runs, comparison.title)
    places = sorted({text for row in rows for run in row.done for part in run.each for text in _places(part)})
    return Origin(f"{lead}{about}:", tuple(" ".join([command, *map(shlex.quote, places)]) for command in commands))


def _afresh(plan: Plan, aim: str, seeds: int) -> Origin:
    """Return how to ask again after the last planned look: seeds added to it would err more often than in 5 %."""
    last = plan.looks[-1]
    return Origin(
        f"The planned looks are used up, and the question stays undecided; add no seeds. {aim}, plan afresh in a"
        f" new folder, and report both answers: the same command with decide.looks=[{last},{max(seeds, last + 1)}]"
        " paths.outputs=outputs-again."
    )


def _more(rows: Sequence[Row], seeds: int) -> str:
    """Return ``3 more seeds each``, or of one row that lacks them ``1 more seed of unet``."""
    lacking = [row for row in rows if _missing(row, seeds)]
    counts = sorted({_missing(row, seeds) for row in lacking})
    few = plural(counts[0], "more seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} more seeds"
    return f"{few} {'each' if len(lacking) > 1 else f'of {lacking[0].label}'}"


def _about(seconds: float) -> str:
    """Return a time as people say it: ``40 minutes``."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _planned(row: Row, seeds: int) -> list[Run]:
    """Return the runs of a row with so many seeds: those that are done, and copies of the first for the others."""
    have = _seeds([row])
    new = [seed for seed in range(max(have) + seeds + 1) if seed not in have][: max(0, seeds - len(have))]
    parts = [part for run in row.done for part in run.each]
    return parts + [_again(part, seed) for seed in new for part in row.done[0].each]


def _again(run: Run, seed: int) -> Run:
    """Return a run that would be started with another seed."""
    others = tuple(text for text in run.overrides if text.partition("=")[0].lstrip("+") != "seed")
    return replace(run, seed=seed, overrides=(*others, f"seed={seed}"))


def _seeds(rows: Sequence[Row]) -> set[int]:
    return {run.seed for row in rows for run in row.done if run.seed is not None}


def _missing(row: Row, seeds: int) -> int:
    return max(0, seeds - len(_seeds([row])))


def _time(row: Row) -> float:
    """Return how long one seed trains: the mean of its trainings, of folds all of them."""
    return row.costs["wall_seconds"].mean * len(row.done[0].each)


def _places(run: Run) -> list[str]:
    """Return where the run's data and outputs were said to be, which the new ones must find and join."""
    return [text for text in run.overrides if text.startswith("paths.")]
