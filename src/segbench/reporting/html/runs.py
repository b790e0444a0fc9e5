"""Every run of a comparison as the page tells it: state, settings that set it apart, the end of its log."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segbench.reporting.collection.factors import ABSENT, NAMES, show_value
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.comparison.words import NOTHING, show_duration
from segbench.runs.bounded import open_file
from segbench.runs.identity import IRRELEVANT
from segbench.runs.places import places_of, public, public_assignment
from segbench.runs.settings import is_under
from segbench.runs.split_scores import derive

LOG = "train.log"
LOG_LINES = 12
LOG_WIDTH = 240
# With more runs than this the logs of finished ones are cut to their end, or they would be most of the page.
MANY_RUNS = 200
FEW_LINES = 3
_TAIL_BYTES = 16_384
LARGEST_LOG = 2**40
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Setting:
    """A setting in which the runs differ: the key, this run's value, and how many other runs have it too."""

    key: str
    value: str
    shared: int


@dataclass(frozen=True)
class RunView:
    """A run as the page shows it.

    Attributes:
        name: Name of its directory.
        row: Label of the row it counts in; empty where it belongs to none.
        state: As in :class:`segbench.reporting.collection.runs.Run`.
        reason: Why it is not finished; empty for a finished run.
        seed: Its seed, or a dash.
        score: The deciding score, or a dash.
        took: Wall time of the training, or a dash.
        settings: Where its configuration differs from others'.
        log: The last lines of ``train.log``.
    """

    name: str
    row: str
    state: str
    reason: str
    seed: str
    score: str
    took: str
    settings: tuple[Setting, ...]
    log: str

    @property
    def last_words(self) -> str:
        """The very end of the log."""
        return "\n".join(self.log.splitlines()[-FEW_LINES:])


def run_views(comparison: Comparison) -> list[RunView]:
    """Return all runs: row by row and by seed, at the end those that belong to no row."""
    reasons = {each.directory: each.reason or reason for run, reason in comparison.unfinished for each in run.each}
    placed = [
        (each, row.label) for row in comparison.rows for run in sorted(row.runs, key=_by_seed) for each in run.each
    ]
    inside = {run.directory for run, _ in placed}
    placed += [(each, "") for run, _ in comparison.unfinished for each in run.each if each.directory not in inside]
    settings = differing_settings([run for run, _ in placed])
    views = []
    for (run, label), differing in zip(placed, settings, strict=True):
        score = NOTHING
        # What was excluded may have other classes, and then no such score.
        if run.state == "done" and comparison.split in run.counts:
            value = derive(run.counts[comparison.split], comparison.metric, comparison.convention)
            score = f"{value:.4f}" if math.isfinite(value) else NOTHING
        seconds = run.summary.get("cost", {}).get("wall_seconds")
        views.append(
            RunView(
                run.name,
                label,
                run.state,
                reasons.get(run.directory, ""),
                NOTHING if run.seed is None else str(run.seed),
                score,
                NOTHING if seconds is None else show_duration(seconds),
                differing,
                public(log_tail(run.directory / LOG, _lines(run, len(placed))), places_of(run.config)),
            )
        )
    return views


def _lines(run: Run, runs: int) -> int:
    return FEW_LINES if run.state == "done" and runs > MANY_RUNS else LOG_LINES


def differing_settings(runs: Sequence[Run]) -> list[tuple[Setting, ...]]:
    """Return for each run the choices and keys in which the runs differ, with its own value of each.

    Keys that cannot change a result (places, printing, logging) are left out, as are names, and keys that a run lacks
    because it has another choice of their group. A run whose configuration could not be read is shown by the overrides
    that started it.
    """
    flats = [_settings(run) if run.config else None for run in runs]
    known = [flat for flat in flats if flat is not None]
    keys = dict.fromkeys(key for flat in known for key in flat)
    counts = {key: Counter(_typed(flat.get(key, ABSENT)) for flat in known) for key in keys}
    varying = [key for key, values in counts.items() if len(values) > 1]
    chosen = {group for run in runs for group in run.choices if group in varying}
    found = []
    for run, flat in zip(runs, flats, strict=True):
        if flat is None:
            pairs = [text.partition("=") for text in run.overrides]
            found.append(tuple(Setting(key, public(public_assignment(key, value)), 0) for key, _, value in pairs))
            continue
        values = [(key, flat.get(key, ABSENT)) for key in varying if key in flat or key.partition(".")[0] not in chosen]
        found.append(
            tuple(Setting(key, public(show_value(value)), counts[key][_typed(value)] - 1) for key, value in values)
        )
    return found


def log_tail(path: Path, count: int = LOG_LINES) -> str:
    """Return the last lines of a log, without control characters and cut to a readable width; empty if unreadable."""
    try:
        with open_file(path, largest=LARGEST_LOG) as stream:
            start = max(0, stream.seek(0, 2) - _TAIL_BYTES)
            stream.seek(start)
            text = stream.read().decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
    lines = [_CONTROL.sub("", line.rpartition("\r")[2]).rstrip() for line in re.split(r"\r?\n", text)]
    # The first line after a jump into the middle of the file is rarely whole.
    lines = [line for line in lines[1 if start else 0 :] if line]
    return "\n".join(line if len(line) <= LOG_WIDTH else f"{line[: LOG_WIDTH - 1]}…" for line in lines[-count:])


def _by_seed(run: Run) -> tuple[bool, int, str]:
    return run.seed is None, run.seed or 0, run.name


def _settings(run: Run) -> dict[str, Hashable]:
    """Return choices and flat configuration together, the seed first, without what cannot change a result."""
    both = {"seed": run.seed} | dict(run.choices) | run.settings
    skipped = (*IRRELEVANT, *(name for name in NAMES if name != "seed"))
    return {key: value for key, value in both.items() if not is_under(key, skipped)}


def _typed(value: Hashable) -> tuple[bool, Hashable]:
    """Keep true and 1 apart, which Python takes for equal."""
    return isinstance(value, bool), value
