"""Variants: names for settings of several groups that belong together (``conf/variant``), and which run has which.

A variant is only a name and no part of a run's identity, so that a run is linked wherever the same settings are asked
for. Such a link carries the name under which it was trained, if any; what it is called here, the plan
says.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from segbench.reporting.collection.runs import Run
from segbench.runs.identity import IRRELEVANT
from segbench.runs.readers import DamagedError, json_file, planned_runs
from segbench.runs.settings import is_under

VARIANT = "variant"


def name_variants(runs: Sequence[Run]) -> list[Run]:
    """Call each run by the variant that its own experiment asked for.

    The experiment's plan and its latest sweep decide. A link that they do not list is called like a run beside it that
    has its settings, whatever the seed.

    Returns:
        The runs in their order.
    """
    asked = {folder: _asked(folder) for folder in {run.directory.parent for run in runs}}
    named = [_named(run, asked[run.directory.parent].get(run.name)) for run in runs]
    known = {
        (run.directory.parent, apart_from_seed(run)): run.choices[VARIANT]
        for run in named
        if VARIANT in run.choices and run.config and not _astray(run, asked)
    }
    return [
        _named(run, known.get((run.directory.parent, apart_from_seed(run))))
        if run.config and _astray(run, asked)
        else run
        for run in named
    ]


def _asked(folder: Path) -> dict[str, str]:
    """Return run directory's name to variant, for each planned run and job of the latest sweep that names one."""
    planned = {name: job.overrides for name, job in planned_runs(folder).items()}
    with suppress(DamagedError, LookupError, TypeError):
        planned |= {str(job["directory"]): job["overrides"] for job in json_file(folder / "sweep.json")["jobs"]}
    pairs = [(name, str(text).partition("=")) for name, overrides in planned.items() for text in overrides]
    return {name: value for name, (key, _, value) in pairs if key.lstrip("+") == VARIANT}


def _astray(run: Run, asked: dict[Path, dict[str, str]]) -> bool:
    """Say whether a run is a link that no sweep is there to name."""
    return run.directory.is_symlink() and run.name not in asked[run.directory.parent]


def _named(run: Run, variant: str | None) -> Run:
    if variant is None or run.choices.get(VARIANT) == variant:
        return run
    return replace(run, choices=run.choices | {VARIANT: variant})


def apart_from_seed(run: Run) -> frozenset[tuple[str, Hashable]]:
    """Return what a run shares with those of other seeds: nothing irrelevant, and no seed of any kind."""
    return frozenset(
        (key, value)
        for key, value in run.comparable.items()
        if "seed" not in key.rpartition(".")[2] and not is_under(key, IRRELEVANT)
    )
