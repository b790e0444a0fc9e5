"""Run directories, as they are found on disk: finished, failed, killed, still running or unreadable.

Only files are read, and only the ones the run directory promises. What is damaged is told, never raised: one bad
file must not hide the other runs of a sweep.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from omegaconf.errors import OmegaConfBaseException
from pyarrow import ArrowException
from rich.console import Console
from rich.progress import track
from yaml import YAMLError

from segbench.reporting.counts import SplitScores, read_counts
from segbench.reporting.settings import flatten, load_settings, without_places

State = Literal["done", "unscored", "failed", "killed", "running", "unreadable", "set aside"]
DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, MemoryError,
    ArrowException, YAMLError, OmegaConfBaseException,
)  # fmt: skip
# What a run makes before it says who it is, or what is left of one that was half deleted.
_MARKS = frozenset((".lock", "config.yaml", "checkpoints", "scores.parquet", "summary.json"))


@dataclass(frozen=True)
class Run:
    """One run directory.

    Attributes:
        directory: Where it lies. For a job that ended before it made one, where it would lie.
        state: ``done``, ``unscored`` (done, but all labelled images were trained on), ``failed``, ``killed`` (says
            running, but nobody holds its lock), ``running`` or ``unreadable``; ``set aside`` by a comparison that it
            does not belong into.
        reason: Why it is not done, in one line; None for a done run.
        id: The hash of everything in its configuration that can change its result, seed included; empty if unknown.
        experiment: The experiment it belongs to, ``runs`` without one.
        seed: Its seed, or None where it could not be read.
        choices: Group name to choice, for example ``{"model": "unet"}``.
        overrides: The Hydra overrides that started it, ``key=value``.
        config: The resolved configuration; empty where it could not be read.
        counts: Split name to counts, or labels of a classification; empty unless the run is done.
        curves: ``metrics.csv``, one row an epoch; None where there is none.
        summary: ``summary.json``; empty unless the run is done.
        status: ``status.json``.
    """

    directory: Path
    state: State
    reason: str | None = None
    id: str = ""
    experiment: str = "runs"
    seed: int | None = None
    choices: dict[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    counts: Mapping[str, SplitScores] = field(default_factory=dict)
    curves: pd.DataFrame | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the directory."""
        return self.directory.name

    @property
    def task(self) -> str:
        """``segmentation`` or ``classification``; empty where nothing is scored."""
        return next((part.task for part in self.counts.values()), "")

    @property
    def class_colours(self) -> tuple[str, ...] | None:
        """``#RRGGBB`` of every class, where the data has colours of its own; None for the project's."""
        colours = self.summary.get("data", {}).get("class_colours")
        classes = {len(part.class_names) for part in self.counts.values()}
        if not isinstance(colours, list) or {len(colours)} != classes:
            return None
        return tuple(colours) if all(re.fullmatch("#[0-9A-Fa-f]{6}", str(colour)) for colour in colours) else None

    @cached_property
    def settings(self) -> dict[str, Hashable]:
        """The configuration as dotted keys to values."""
        return flatten(self.config)

    @cached_property
    def comparable(self) -> dict[str, Hashable]:
        """The settings without the run's own places and seed in their texts."""
        return without_places(self.settings, self.config, self.seed)


def collect(paths: Iterable[Path], console: Console | None = None) -> list[Run]:
    """Read every run directory at or below the paths, and the jobs that a sweep lost before they made one.

    Args:
        paths: Run directories, experiment directories, or anything above them.
        console: Gets a progress bar if it is a terminal.

    Returns:
        The runs sorted by directory, each once. Empty when there is none; nothing is raised for damage.
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
        known |= _identity(directory / "run.json")
        status = known["status"] = _json(directory / "status.json")
        if (directory / "config.yaml").exists() or status["state"] == "done":
            known["config"] = _config(directory / "config.yaml")
        if status["state"] == "done":
            known["summary"] = _summary(directory / "summary.json")
            known["counts"] = _named(directory / "scores.parquet", read_counts)
        known["curves"] = _curves(directory / "metrics.csv", strict=status["state"] == "done")
        state, reason = _state(directory, status)
        if state == "done" and not known["counts"]:
            if known["summary"].get("scores") != {}:
                raise _DamagedError("scores.parquet: no rows")
            state, reason = "unscored", "done; all labelled images were trained on, so there is nothing to score"
    except _DamagedError as damage:
        state, reason = "unreadable", str(damage)
    return Run(directory=directory, state=state, reason=reason, **known)


class _DamagedError(Exception):
    """A file of a run directory is missing or not what it should be."""


def _named(path: Path, read: Any) -> Any:
    """Call ``read(path)`` and turn whatever damage raises into one line that names the file."""
    try:
        return read(path)
    except FileNotFoundError:
        raise _DamagedError(f"{path.name} is missing") from None
    except DAMAGE as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise _DamagedError(f"{path.name}: {lines[0]}") from error


def _json(path: Path) -> dict[str, Any]:
    def read(path: Path) -> dict[str, Any]:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        if path.name == "status.json" and value.get("state") not in ("running", "done", "failed"):
            raise ValueError(f"state is {value.get('state')!r}, not running, done or failed")
        return value

    return _named(path, read)


def _identity(path: Path) -> dict[str, Any]:
    value = _json(path)

    def check(_: Path) -> dict[str, Any]:
        return {
            "id": str(value.get("id") or ""),
            "experiment": str(value["experiment"]),
            "seed": int(value["seed"]),
            "choices": {str(key): str(choice) for key, choice in value["choices"].items() if choice is not None},
            "overrides": tuple(str(item) for item in value.get("overrides") or ()),
        }

    return _named(path, check)


def _config(path: Path) -> dict[str, Any]:
    def read(path: Path) -> dict[str, Any]:
        value = load_settings(path)
        if not isinstance(value, dict):
            raise ValueError("not a mapping")
        lacking = [key for key in ("seed", "comparison") if key not in value]
        if lacking:
            raise ValueError(f"no key {', '.join(lacking)}")
        if not isinstance(value["comparison"] or {}, dict):
            raise ValueError("comparison is not a mapping")
        return {str(key): item for key, item in value.items()}

    return _named(path, read)


def _summary(path: Path) -> dict[str, Any]:
    value = _json(path)

    def check(_: Path) -> dict[str, Any]:
        for part in ("cost", "git", "data"):
            if not isinstance(value.get(part, {}), dict):
                raise ValueError(f"{part} is not a JSON object")
        for key, item in value.get("cost", {}).items():
            if key not in ("device", "precision") and item is not None and not isinstance(item, int | float):
                raise ValueError(f"cost.{key} is {item!r}, not a number")
        return value

    return _named(path, check)


def _curves(path: Path, strict: bool) -> pd.DataFrame | None:
    """Read the curves; a run that was stopped may have left half a line, which only costs its curves."""

    def read(path: Path) -> pd.DataFrame:
        table = pd.read_csv(path)
        if "epoch" not in table:
            raise ValueError("no column 'epoch'")
        return table.apply(pd.to_numeric)

    if not path.exists():
        return None
    try:
        return _named(path, read)
    except _DamagedError:
        if strict:
            raise
        return None


def _state(directory: Path, status: dict[str, Any]) -> tuple[State, str | None]:
    if status["state"] == "done":
        return "done", None
    if status["state"] == "failed":
        return "failed", str(status.get("reason") or f"exit code {status.get('exit_code')}")
    if lock_is_held(directory / ".lock"):
        return "running", "still running"
    return "killed", str(status.get("reason") or "killed: it says running, but no process holds it")


def lock_is_held(path: Path) -> bool:
    """Say whether another process holds a lock file, without making or keeping one."""
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDONLY)
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
    beside: list[Path] = []
    parents: set[Path] = set()
    for folder, children, files in os.walk(root, followlinks=True):
        if "run.json" in files or "status.json" in files:
            children.clear()
            parents.add(Path(folder).parent)
            yield Path(folder)
        elif not files or _MARKS & {*files, *children}:
            beside.append(Path(folder))
        children.sort()
    for path in beside:
        # Something was begun here: not a folder of other folders, nor one of hidden files.
        begun = _MARKS & {entry.name for entry in path.iterdir()} or not any(path.iterdir())
        if path.parent in parents and begun and not path.name.startswith("."):
            yield path


def _sweep_files(root: Path) -> list[Path]:
    """Sweep lists at or below ``root``; for a path that is a run directory there is none to heed."""
    return sorted(root.rglob("sweep.json")) if root.is_dir() else []


def _add_jobs(file: Path, runs: dict[Path, Run]) -> None:
    """Add the sweep's failed jobs that left no directory, and its reasons for the ones that were killed."""
    try:
        jobs = _json(file)["jobs"]
        for job in jobs:
            if not job.get("exit_code"):
                continue
            directory = file.parent / str(job["directory"])
            reason = str(job.get("reason") or f"exit code {job['exit_code']}")
            known = runs.get(place(directory))
            if known is None:
                overrides = tuple(str(item) for item in job.get("overrides") or ())
                lost = Run(directory, "failed", reason, experiment=file.parent.name, overrides=overrides)
                runs[place(directory)] = lost
            elif known.state == "killed":
                runs[place(directory)] = replace(known, reason=reason)
    except (_DamagedError, *DAMAGE):
        # The list only adds to what the directories say; without it they still speak for themselves.
        return
