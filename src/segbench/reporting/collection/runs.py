"""Run directories, as they are found on disk: finished, failed, killed, still running or unreadable.

Only files are read, and only the ones the run directory promises. What is damaged is told, never raised: one bad
file must not hide the other runs of a sweep.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from rich.console import Console
from rich.progress import track

from segbench.masks import INDICES, MaskKey
from segbench.reporting.collection.folders import place, run_directories, walk
from segbench.reporting.collection.same_data import tell_content
from segbench.runs.directory import PRUNED
from segbench.runs.history import PLAN
from segbench.runs.identity import LATER
from segbench.runs.readers import (
    DAMAGE,
    DamagedError,
    config_file,
    curves_file,
    identity_file,
    json_file,
    named,
    planned_runs,
    summary_file,
)
from segbench.runs.scores_file import read_scores
from segbench.runs.settings import flatten, is_under, with_processes, without_places
from segbench.runs.split_scores import SplitScores, TaskRecord
from segbench.runs.tuning import Tuning
from segbench.words import visible

State = Literal["done", "unscored", "failed", "pruned", "killed", "running", "unreadable", "missing", "excluded"]
SWEEP = "sweep.json"
LONGEST_REASON = 500


@dataclass(frozen=True)
class Run:
    """One run directory.

    Attributes:
        directory: Where it lies. For a job that ended before it made one, where it would lie.
        state: ``done``, ``unscored`` (done, but a trial, or all labelled images were trained on), ``failed``,
            ``pruned`` (a trial that was stopped as hopeless), ``killed`` (says running, but nobody holds its lock),
            ``running``, ``unreadable`` or ``missing`` (planned, but not there); ``excluded`` by a comparison that it
            does not belong into.
        reason: Why it is not done, in one line; None for a done run.
        id: The hash of everything in its configuration that can change its result, seed included; empty if unknown.
        experiment: The experiment it belongs to, ``runs`` without one.
        seed: Its seed, or None where it could not be read.
        choices: Group name to choice, for example ``{"model": "unet"}``.
        overrides: The Hydra overrides that started it, ``key=value``.
        unchanging: The callbacks that cannot change its result, as dotted keys of the configuration.
        planned_task: What it was to do, also where it did not finish; empty where it did not come that far.
        config_dir: Folder of the user's own choices that it was started with, as typed; empty without one.
        python_path: ``PYTHONPATH`` that it was started with; empty without one.
        config: The resolved configuration; empty where it could not be read.
        counts: Split name to what the run made of its images; empty unless the run is done.
        curves: ``metrics.csv``, one row an epoch; None where there is none.
        summary: ``summary.json``; empty unless the run is done.
        status: ``status.json``.
        folds: The runs of the folds of a cross-validation that it joins, by fold
            (:mod:`segbench.reporting.collection.folds`); empty for a run of its own.
        tuning: The trials that chose its settings (:mod:`segbench.reporting.collection.tuned`); None without.
        took: Seconds from its start to its end as the latest sweep saw it; 0 where that did not train it.
    """

    directory: Path
    state: State
    reason: str | None = None
    id: str = ""
    experiment: str = "runs"
    seed: int | None = None
    choices: dict[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    unchanging: tuple[str, ...] = ()
    planned_task: str = ""
    config_dir: str = ""
    python_path: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    counts: Mapping[str, SplitScores] = field(default_factory=dict)
    curves: pd.DataFrame | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    folds: tuple[Run, ...] = ()
    tuning: Tuning | None = None
    took: float = 0.0

    @property
    def seconds(self) -> float:
        """What another run like it takes from start to end, with imports, data and evaluation; NaN where unknown."""
        cost = self.summary.get("cost", {}).get("wall_seconds")
        trained = float(cost) if isinstance(cost, int | float) else math.nan
        known = [value for value in (trained, self.took, _lasted(self.status)) if value > 0]
        return max(known, default=math.nan)

    @property
    def each(self) -> tuple[Run, ...]:
        """The runs that were trained: itself, or those of its folds."""
        return self.folds or (self,)

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights were scored, from 1; None where that is unknown."""
        best: Any = self.summary.get("best")
        epoch = best.get("epoch") if isinstance(best, dict) else None
        return epoch if type(epoch) is int and epoch > 0 else None

    @property
    def name(self) -> str:
        """Name of the directory."""
        return self.directory.name

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Split to the mean scores of its images by name; empty unless it is done."""
        found: dict[str, dict[str, float]] = self.summary.get("scores") or {}
        return found

    def __fspath__(self) -> str:
        return str(self.directory)

    @property
    def task(self) -> TaskRecord | None:
        """What it does; None where nothing is scored."""
        return next((part.record for part in self.counts.values()), None)

    @property
    def class_colours(self) -> tuple[str, ...] | None:
        """``#RRGGBB`` of every class, where the data has colours of its own; None for the project's."""
        colours = self.summary.get("data", {}).get("class_colours")
        classes = {len(part.class_names) for part in self.counts.values()}
        if not isinstance(colours, list) or {len(colours)} != classes:
            return None
        return tuple(colours) if all(re.fullmatch("#[0-9A-Fa-f]{6}", str(colour)) for colour in colours) else None

    @property
    def mask_key(self) -> MaskKey:
        """How to read the masks that it kept; of a run that is done."""
        part = next(iter(self.counts.values()))
        return MaskKey(part.class_names, part.record.masks or INDICES, part.background, self.class_colours)

    @cached_property
    def settings(self) -> dict[str, Hashable]:
        """The configuration as dotted keys to values, without what cannot change the result: callbacks, later nulls.

        With the number of processes where it can (:func:`segbench.runs.settings.with_processes`).
        """
        known = with_processes(flatten(self.config)).items()
        return {
            key: value
            for key, value in known
            if not is_under(key, self.unchanging) and (key not in LATER or value is not LATER[key])
        }

    @cached_property
    def comparable(self) -> dict[str, Hashable]:
        """The settings, without the run's own places and seed in their texts."""
        return without_places(self.settings, self.config, self.seed)


def collect(paths: Iterable[Path], console: Console | None = None) -> list[Run]:
    """Read every run directory at or below the paths; add planned runs that have none, and jobs that a sweep lost.

    Args:
        paths: Run directories, experiment directories, or anything above them.
        console: Gets a progress bar if it is a terminal.

    Returns:
        The runs sorted by directory, each once. Empty when there is none; nothing is raised for damage.

    Raises:
        ConfigError: If there are more than :data:`segbench.reporting.collection.folders.MOST_FOLDERS` folders.
    """
    roots = [Path(path) for path in paths]
    found = list({place(folder): folder for root in roots for folder in run_directories(root)}.values())
    shown = track(found, "reading runs", console=console, transient=True, disable=not (console and console.is_terminal))
    runs = {place(folder): read_run(folder) for folder in shown}
    for root in roots:
        for folder, names in walk(root):
            if SWEEP in names:
                _add_jobs(folder / SWEEP, runs)
            if PLAN in names:
                _add_planned(folder, runs)
    tell_content(run.summary for run in runs.values())
    return [runs[folder] for folder in sorted(runs)]


def read_run(directory: Path) -> Run:
    """Read one run directory; damage makes the run ``unreadable`` with the file and the reason."""
    known: dict[str, Any] = {}
    try:
        known |= identity_file(directory / "run.json")
        status = known["status"] = json_file(directory / "status.json")
        if os.path.lexists(directory / "config.yaml") or status["state"] == "done":
            known["config"] = config_file(directory / "config.yaml")
        if status["state"] == "done":
            known["summary"] = summary_file(directory / "summary.json")
            known["counts"] = named(directory / "scores.parquet", read_scores)
        known["curves"] = curves_file(directory / "metrics.csv", known.get("summary"))
        state, reason = _state(directory, status)
        if state == "done" and not known["counts"]:
            if known["summary"].get("scores") != {}:
                raise DamagedError("scores.parquet: no rows")
            state = "unscored"
            reason = "done; a trial of tuning, or all labelled images were trained on, so there is nothing to score"
    except DamagedError as damage:
        state, reason = "unreadable", _short(damage)
    return Run(directory=directory, state=state, reason=reason, **known)


def _state(directory: Path, status: dict[str, Any]) -> tuple[State, str | None]:
    if status["state"] == "done":
        return "done", None
    if status["state"] in ("failed", PRUNED):
        return status["state"], _short(status.get("reason") or f"exit code {status.get('exit_code')}")
    if lock_is_held(directory / ".lock"):
        return "running", "still running"
    return "killed", _short(status.get("reason") or "killed: it says running, but no process holds it")


def _lasted(status: Mapping[str, Any]) -> float:
    """Return the seconds between what a status says of start and end; 0 where it does not."""
    with suppress(KeyError, TypeError, ValueError):
        ends = [datetime.fromisoformat(status[key]) for key in ("started", "finished")]
        return (ends[1] - ends[0]).total_seconds()
    return 0.0


def _short(reason: object) -> str:
    text = visible(str(reason))
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"


def lock_is_held(path: Path) -> bool:
    """Say whether another process holds a lock file, without making or keeping one."""
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (ImportError, OSError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _add_jobs(file: Path, runs: dict[Path, Run]) -> None:
    """Add the sweep's failed jobs that left no directory, its reasons for those that were killed, and jobs' times."""
    try:
        jobs = json_file(file)["jobs"]
        for job in jobs:
            directory = file.parent / str(job["directory"])
            known = runs.get(place(directory))
            if not job.get("exit_code"):
                if known is not None and isinstance(job.get("seconds"), int | float):
                    runs[place(directory)] = replace(known, took=float(job["seconds"]))
                continue
            reason = _short(job.get("reason") or f"exit code {job['exit_code']}")
            if known is None:
                overrides = tuple(str(item) for item in job.get("overrides") or ())
                lost = Run(directory, "failed", reason, experiment=file.parent.name, overrides=overrides)
                runs[place(directory)] = lost
            elif known.state == "killed":
                runs[place(directory)] = replace(known, reason=reason)
    except (DamagedError, *DAMAGE):
        # The list only adds to what the directories say; without it they still speak for themselves.
        return


def _add_planned(folder: Path, runs: dict[Path, Run]) -> None:
    """Add the planned runs of which there is no directory, and say of lost jobs what the plan says of them."""
    for name, job in planned_runs(folder).items():
        directory = folder / name
        known = runs.get(place(directory)) or Run(
            directory, "missing", "folder deleted" if job.started else "never started, or folder deleted"
        )
        if not known.config and not known.choices:
            runs[place(directory)] = replace(
                known, experiment=folder.name, seed=job.seed, choices=job.choices, overrides=job.overrides
            )
