"""Where results come from: machine, time, commit, seeds and the command that gives them again."""

from __future__ import annotations

import math
import os
import shlex
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segbench.environment import processor_name
from segbench.installation import typed
from segbench.reporting.collection.factors import ABSENT, UNKNOWN, factor_value
from segbench.reporting.collection.runs import Run
from segbench.runs.directory import WEIGHTS_OF
from segbench.runs.places import HIDDEN, public, public_assignment
from segbench.words import duration, plural

_OUTPUTS = "paths.outputs="
# How a run was started that time: printed, they would train finished runs again.
_OF_THAT_TIME = ("rerun", "debug")


@dataclass(frozen=True)
class Origin:
    """A line of provenance: words, and the commands that they are about."""

    text: str
    commands: tuple[str, ...] = ()


def provenance(runs: Sequence[Run], experiment: str, report_command: str | None = None) -> list[Origin]:
    """Return lines that say how the runs were made.

    Args:
        runs: The finished runs.
        experiment: The experiment they are reported under.
        report_command: The command that made the report, if one did.

    Returns:
        Machine, time, versions, seeds, commands; nothing without runs.
    """
    if not runs:
        return []
    seeds = sorted({run.seed for run in runs if run.seed is not None})
    lines = [
        Origin(f"Machine: {machine(runs)}."),
        Origin(f"Time: {_time(runs)}."),
        Origin(f"Code: {_commits(runs)}; {_versions(runs)}."),
        Origin(f"Seeds: {', '.join(map(str, seeds))}."),
        Origin("Made by:", tuple(public(line) for line in sweep_commands(runs, experiment))),
    ]
    lines += _repeated(runs)
    if others := sorted({run.experiment for run in runs} - {experiment}):
        shared = sum(run.experiment != experiment for run in runs)
        lines.append(Origin(f"Shared: {shared} runs of equal configuration were trained by {', '.join(others)}."))
    if taken := sum(WEIGHTS_OF in run.summary for run in runs):
        lines.append(Origin(f"Weights: {plural(taken, 'run')} took those of other runs, which summary.json names."))
    return [*lines, Origin("Reported by:", (report_command,))] if report_command else lines


def _repeated(runs: Sequence[Run]) -> list[Origin]:
    """Return whether repeated trainings would have the same bits, of runs that say so."""
    said = [run.summary["repeats"] for run in runs if run.summary.get("repeats")]
    if not said:
        return []
    reasons = sorted({reason for found in said for reason in found["because"]})
    if not reasons:
        return [Origin("Repeated: a run done again on its device, with its threads and versions, has the same bits.")]
    inexact = sum(not found["to_the_bit"] for found in said)
    why = ", ".join(map(public, reasons))
    return [Origin(f"Repeated: {inexact} of {plural(len(said), 'run')} would differ in the last bits, for {why}.")]


def machine(runs: Sequence[Run]) -> str:
    """Return devices, threads and precision as recorded; with the processor's name if the runs were made here."""
    costs = [run.summary.get("cost", {}) for run in runs]
    parts = [_listed(f"{cost.get('device')}" for cost in costs)]
    if {str(run.status.get("host")) for run in runs} == {socket.gethostname()}:
        name = processor_name()
        parts += [name] if name and name not in parts[0] else []
        parts.append(f"{os.cpu_count()} cores, {_memory()} memory")
    parts.append(f"{_listed(str(cost.get('threads')) for cost in costs)} thread(s) a run")
    parts.append(f"precision {_listed(str(cost.get('precision')) for cost in costs)}")
    return "; ".join(parts)


def sweep_commands(runs: Sequence[Run], experiment: str, places: bool = False) -> list[str]:
    """Return the commands that make these runs again: one sweep if they form a full grid, else a few.

    A run that another experiment trained lacks overrides of this one; they are read from its configuration.

    Args:
        runs: The runs.
        experiment: The experiment they are reported under.
        places: Name the folders of data and outputs as they were typed, for who goes on with these runs here; else
            only that of the outputs, if it was typed, and without the place of who ran it.
    """
    start = [] if experiment == "runs" else [f"experiment={experiment}"]
    programs = [_program(run) for run in runs]
    jobs = [_assignments(run, bool(start)) for run in runs]
    keys = sorted(dict.fromkeys(key for job in jobs for key in job), key=lambda key: key == "seed")
    full = [{key: job.get(key) or _setting(run, key) for key in keys} for run, job in zip(runs, jobs, strict=True)]
    # A network that lacks a key of the others' cannot be given it.
    jobs = [{key: value for key, value in job.items() if value is not None} for job in full]
    lines: list[str] = []
    where = [_places([run], places) for run in runs]
    outputs = [tuple(text for text in said if text.startswith(_OUTPUTS)) for said in where]
    kinds = list(zip(programs, outputs, strict=True))
    for kind in dict.fromkeys(kinds):
        alike = [index for index, other in enumerate(kinds) if other == kind]
        said = {text.partition("=")[0]: text for index in alike for text in where[index]}
        for grid in _grids([jobs[index] for index in alike], keys):
            swept = [f"{key}={','.join(values)}" for key, values in grid.items()]
            sweep = ["-m"] if any(len(values) > 1 for values in grid.values()) else []
            lines.append(f"{kind[0]} {shlex.join([*sweep, *start, *swept, *sorted(said.values())])}")
    return list(dict.fromkeys(lines))


def _grids(jobs: Sequence[dict[str, str]], keys: Sequence[str]) -> list[dict[str, tuple[str, ...]]]:
    """Return sweeps that together are these jobs, each a key's values: jobs that differ in one key are one sweep."""
    grids: list[dict[str, tuple[str, ...]]] = [{key: (value,) for key, value in job.items()} for job in jobs]
    for key in reversed(keys):
        merged: dict[tuple[object, ...], dict[str, tuple[str, ...]]] = {}
        for grid in grids:
            others = tuple(frozenset(grid.get(other, ())) for other in keys if other != key)
            known = merged.setdefault((*others, key in grid), grid)
            if key in grid:
                known[key] = tuple(dict.fromkeys((*known[key], *grid[key])))
        grids = list(merged.values())
    return grids


def _places(runs: Sequence[Run], own: bool) -> list[str]:
    """Return where the runs' data and outputs were said to be, as typed; or where outputs were, as anybody may know."""
    said = sorted({text for run in runs for text in run.overrides if text.startswith("paths.")})
    return said if own else sorted({_public_outputs(text) for text in said if text.startswith(_OUTPUTS)})


def _public_outputs(text: str) -> str:
    """Return where outputs went as anybody may type it; :data:`HIDDEN` where that lies outside of the project."""
    value = public(text.removeprefix(_OUTPUTS))
    return f"{_OUTPUTS}{HIDDEN if value.startswith(('/', '~')) else value}"


def _program(run: Run) -> str:
    """Return the beginning of a run's command, with where its own classes and choices are found."""
    flag = f" {shlex.join(['--config-dir', run.config_dir])}" if run.config_dir else ""
    return f"{path_of_own(run)}{typed('run')}{flag}"


def has_own(run: Run) -> bool:
    """Say whether a run was made with classes that are not segbench's."""
    return bool((run.summary.get("git") or {}).get("own"))


def path_of_own(run: Run) -> str:
    """Return what stands before a command for its own classes to be found: ``PYTHONPATH=... ``; nothing without any."""
    return f"PYTHONPATH={shlex.quote(run.python_path)} " if has_own(run) and run.python_path else ""


def _assignments(run: Run, named: bool) -> dict[str, str]:
    """Return a run's overrides in order, with its seed; places on disk and the experiment's own name are left out."""
    pairs = [text.partition("=") for text in run.overrides if "=" in text]
    kept = {
        key: public_assignment(key.lstrip("+"), value)
        for key, _, value in pairs
        if not key.startswith("paths.") and key not in _OF_THAT_TIME and not (named and key == "experiment")
    }
    return kept if "seed" in kept or run.seed is None else kept | {"seed": str(run.seed)}


def _setting(run: Run, key: str) -> str | None:
    """Return what an override of ``key`` would have to say to give the run's setting; None where it has no such key."""
    key = key.lstrip("+")
    value = factor_value(run, key)
    if value in (ABSENT, UNKNOWN):
        return None
    return "null" if value is None else public_assignment(key, str(value))


def _time(runs: Sequence[Run]) -> str:
    started = sorted(str(run.status["started"]) for run in runs if run.status.get("started"))
    finished = sorted(str(run.status["finished"]) for run in runs if run.status.get("finished"))
    # What another run trained is counted there.
    trained = [run for run in runs if WEIGHTS_OF not in run.summary]
    times = [run.summary.get("cost", {}).get("wall_seconds") or 0.0 for run in trained]
    seconds = sum(value for value in times if math.isfinite(value))
    between = f"{started[0]} to {finished[-1]}" if started and finished else "unknown"
    return f"{between}; {duration(seconds)} of training in {len(trained)} runs"


def _commits(runs: Sequence[Run]) -> str:
    found = []
    for run in runs:
        git = run.summary.get("git", {})
        own = "".join(f", own module {name} {digest}" for name, digest in sorted((git.get("own") or {}).items()))
        changes = " with uncommitted changes" if git.get("dirty") else ""
        # A package that no one told its commit has none; its version is listed with the others.
        commit = f"commit {git['commit'][:12]}" if git.get("commit") else "commit unknown"
        found.append(f"{commit}{changes}{own}")
    return _listed(found)


def _versions(runs: Sequence[Run]) -> str:
    versions = [run.summary.get("versions") or {} for run in runs]
    return _listed(", ".join(f"{name} {number}" for name, number in found.items()) for found in versions) or "unknown"


def _listed(values: Iterable[str]) -> str:
    return " / ".join(sorted(set(values)))


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (ValueError, OSError, AttributeError):
        return "unknown"
