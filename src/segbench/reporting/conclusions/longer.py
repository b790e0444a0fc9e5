"""Rows that were still improving when their training ended: what is compared is then who begins better."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.conclusions.provenance import Origin, sweep_commands
from segbench.runs.places import HIDDEN
from segbench.words import listed

EPOCHS = "trainer.max_epochs"
# How many times as long is proposed: a loss that still falls seldom ends within half as many epochs more.
TIMES = 2


def train_longer(comparison: Comparison, short: Collection[int] = ()) -> Origin | None:
    """Return the words and the command that trains all rows longer; None where none was cut off.

    A row was cut off if the best epoch of most of its trainings is the last one that it was given. All rows get as many
    epochs, as rows that are trained for different times are not comparable.

    Args:
        comparison: The comparison.
        short: Rows (indices) whose trainings that learned little or nothing were cut off, whatever the others were.
    """
    if EPOCHS in comparison.factors:
        return None
    cut = [row for row in comparison.rows if cut_off(row)]
    lost = [row for index, row in enumerate(comparison.rows) if index in short and not cut_off(row)]
    if not cut and not lost:
        return None
    runs = [part for run in comparison.done for part in run.each]
    ended = [part for row in (*cut, *lost) for run in row.done for part in run.each]
    epochs = sorted({_epochs(run) for run in ended})
    by = sorted({str(run.settings["trainer.monitor"]) for run in ended})
    last = f"the last of {' or '.join(map(str, epochs))} (by {' or '.join(by)})"
    names = [*(row.label for row in cut), *(f"seeds of {row.label} that learned little" for row in lost)]
    they = "it was" if len(cut) == 1 and not lost else "they were"
    were = f"the best epoch of {listed(names)} is {last}, so {they} still improving"
    if comparison.plan is not None:
        return Origin(f"Train longer: {were}. Plan afresh in a new folder with a larger {EPOCHS}.")
    again = [with_value(run, EPOCHS, TIMES * _epochs(run)) for run in runs]
    time = TIMES * sum(len(row.done) * seconds_of(row) for row in comparison.rows if row.done)
    commands = sweep_commands(again, comparison.title, places=True)
    return Origin(f"Train longer: {were}. Twice as many epochs{about(time)}{to_fill_in(commands)}:", tuple(commands))


def to_fill_in(commands: Sequence[str]) -> str:
    """Say what has to be filled in, as a clause; nothing where nothing has."""
    return f"; {HIDDEN} is where your files lie" if any(HIDDEN in command for command in commands) else ""


def with_value(run: Run, key: str, value: int) -> Run:
    """Return a run as it would be started with another value of a key."""
    return replace(run, overrides=(*overrides_without(run, key), f"{key}={value}"))


def overrides_without(run: Run, key: str) -> tuple[str, ...]:
    """Return what a run was started with, without what was said of a key."""
    return tuple(text for text in run.overrides if text.partition("=")[0].lstrip("+") != key)


def seconds_of(row: Row) -> float:
    """Return what another seed of a row takes, from start to end; of folds all of them. NaN where it is unknown."""
    known = [seconds for run in row.done for part in run.each if math.isfinite(seconds := part.seconds)]
    return sum(known) / len(known) * len(row.done[0].each) if known else math.nan


def about(seconds: float) -> str:
    """Return a time as people say it, as a clause: ``, about 40 minutes``; nothing where it is unknown."""
    if not math.isfinite(seconds) or seconds <= 0:
        return ""
    if seconds < 90:
        return f", about {seconds:.0f} seconds"
    return f", about {seconds / 60:.0f} minutes" if seconds < 5400 else f", about {seconds / 3600:.1f} hours"


def cut_off(row: Row, seeds: Collection[int] | None = None) -> bool:
    """Say whether most trainings of a row (of some seeds of it) have their best epoch last, and were given no more."""
    runs = [part for run in row.done if seeds is None or run.seed in seeds for part in run.each]
    return sum(map(_best_is_last, runs)) * 2 > len(runs)


def _best_is_last(run: Run) -> bool:
    best = run.summary.get("best")
    monitored = run.settings.get("trainer.monitor") not in (None, "last")
    return monitored and isinstance(best, dict) and 1 < _epochs(run) == best.get("epoch") == run.summary.get("epochs")


def _epochs(run: Run) -> int:
    """Return how many epochs a run was given; 0 where its configuration does not say."""
    epochs = run.settings.get(EPOCHS)
    return epochs if type(epochs) is int else 0
