"""Run directories, as they are found on disk: finished, failed, killed, still running or unreadable.

Only files are read, and only the ones the run directory promises. What is damaged is told, never raised: one bad
file must not hide the other runs of a sweep.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from rich.console import Console
from rich.progress import track

from segbench.errors import ConfigError
from segbench.masks import INDICES, MaskKey
from segbench.runs.identity import LATER
from segbench.runs.readers import (
    DAMAGE,
    DamagedError,
    config_file,
    curves_file,
    identity_file,
    json_file,
    named,
    summary_file,
)
from segbench.runs.scores_file import read_scores
from segbench.runs.settings import flatten, is_under, without_places
from segbench.runs.split_scores import SplitScores, TaskRecord
from segbench.runs.tuning import ROW, Tuning
from segbench.words import visible

State = Literal["done", "unscored", "failed", "killed", "running", "unreadable", "excluded"]
# What a run makes before it says who it is, or what is left of one that was half deleted.
_MARKS = frozenset((".lock", "config.yaml", "checkpoints", "scores.parquet", "summary.json"))
_SELF = frozenset(("run.json", "status.json"))
SWEEP = "sweep.json"
# Folders below the one that is given.
DEEPEST = 32
MOST_FOLDERS = 100_000
LONGEST_REASON = 500


@dataclass(frozen=True)
class Run:
    """One run directory.

    Attributes:
        directory: Where it lies. For a job that ended before it made one, where it would lie.
        state: ``done``, ``unscored`` (done, but all labelled images were trained on), ``failed``, ``killed`` (says
            running, but nobody holds its lock), ``running`` or ``unreadable``; ``excluded`` by a comparison that it
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

    @property
    def each(self) -> tuple[Run, ...]:
        """The runs that were trained: itself, or those of its folds."""
        return self.folds or (self,)

    @property
    def name(self) -> str:
        """Name of the directory."""
        return self.directory.name

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
        """The configuration as dotted keys to values, without what cannot change the result: callbacks, later nulls."""
        known = flatten(self.config).items()
        return {
            key: value
            for key, value in known
            if not is_under(key, self.unchanging) and (key not in LATER or value is not None)
        }

    @cached_property
    def comparable(self) -> dict[str, Hashable]:
        """The settings, without the run's own places and seed in their texts."""
        return without_places(self.settings, self.config, self.seed)


def collect(paths: Iterable[Path], console: Console | None = None) -> list[Run]:
    """Read every run directory at or below the paths, and the jobs that a sweep lost before they made one.

    Args:
        paths: Run directories, experiment directories, or anything above them.
        console: Gets a progress bar if it is a terminal.

    Returns:
        The runs sorted by directory, each once. Empty when there is none; nothing is raised for damage.

    Raises:
        ConfigError: If there are more than :data:`MOST_FOLDERS` folders.
    """
    roots = [Path(path) for path in paths]
    folders = list({place(folder): folder for root in roots for folder in _run_directories(root)}.values())
    silent = console is None or not console.is_terminal
    shown = track(folders, "reading runs", console=console, transient=True, disable=silent)
    runs = {place(folder): read_run(folder) for folder in shown}
    for root in roots:
        for file in _sweep_files(root):
            _add_jobs(file, runs)
    return [runs[folder] for folder in sorted(runs)]


def place(folder: Path) -> Path:
    """Return where a directory stands by name: links to another experiment's run are places of their own."""
    return Path(os.path.abspath(folder))  # noqa: PTH100 - Path.resolve would follow the link


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
            state, reason = "unscored", "done; all labelled images were trained on, so there is nothing to score"
    except DamagedError as damage:
        state, reason = "unreadable", _short(damage)
    return Run(directory=directory, state=state, reason=reason, **known)


def _state(directory: Path, status: dict[str, Any]) -> tuple[State, str | None]:
    if status["state"] == "done":
        return "done", None
    if status["state"] == "failed":
        return "failed", _short(status.get("reason") or f"exit code {status.get('exit_code')}")
    if lock_is_held(directory / ".lock"):
        return "running", "still running"
    return "killed", _short(status.get("reason") or "killed: it says running, but no process holds it")


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


def _run_directories(root: Path) -> Iterator[Path]:
    """Yield run directories, also those beside them that were made but never got so far as to say who they are."""
    beside: list[tuple[Path, set[str]]] = []
    parents: set[Path] = set()
    for folder, names in _walk(root):
        if _SELF & names:
            parents.add(folder.parent)
            yield folder
        else:
            beside.append((folder, names))
    for folder, names in beside:
        # Something was begun here: not a folder of other folders, nor one of hidden files.
        if folder.parent in parents and (_MARKS & names or not names) and not folder.name.startswith("."):
            yield folder


def _walk(root: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield folders at or below ``root`` with the names in them, in their order; nothing below a run is visited.

    A link is followed to a run and nowhere else: others lead out of what was given, or in circles. The trials of a row
    are visited where their folder is what is given.
    """
    waiting, seen = [(root, 0)], 0
    while waiting:
        folder, depth = waiting.pop()
        seen += 1
        if seen > MOST_FOLDERS:
            raise ConfigError(f"{root}: more than {MOST_FOLDERS:,} folders; give an experiment's directory")
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
        except OSError:
            continue
        names = {entry.name for entry in entries}
        linked = depth > 0 and folder.is_symlink()
        if (linked and not _SELF & names) or (depth > 0 and ROW in names):
            continue
        yield folder, names
        if not _SELF & names and depth < DEEPEST:
            waiting += [(folder / entry.name, depth + 1) for entry in entries if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _sweep_files(root: Path) -> list[Path]:
    """Sweep lists at or below ``root``; for a path that is a run directory there is none to heed."""
    return sorted(folder / SWEEP for folder, names in _walk(root) if SWEEP in names)


def _add_jobs(file: Path, runs: dict[Path, Run]) -> None:
    """Add the sweep's failed jobs that left no directory, and its reasons for the ones that were killed."""
    try:
        jobs = json_file(file)["jobs"]
        for job in jobs:
            if not job.get("exit_code"):
                continue
            directory = file.parent / str(job["directory"])
            reason = _short(job.get("reason") or f"exit code {job['exit_code']}")
            known = runs.get(place(directory))
            if known is None:
                overrides = tuple(str(item) for item in job.get("overrides") or ())
                lost = Run(directory, "failed", reason, experiment=file.parent.name, overrides=overrides)
                runs[place(directory)] = lost
            elif known.state == "killed":
                runs[place(directory)] = replace(known, reason=reason)
    except (DamagedError, *DAMAGE):
        # The list only adds to what the directories say; without it they still speak for themselves.
        return
