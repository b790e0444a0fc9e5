"""Run the commands of ``src/`` in forks of a process that has loaded everything, or in fresh processes.

Loading torch takes seconds; a fork takes none of them, so hundreds of refusals take minutes instead of an hour. It is
otherwise the command itself: ``src/run.py`` as ``__main__`` in its own session, with its own output, folder and
environment. A sample of the cases also runs in fresh processes, and must end in the same way.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from campaign.moments import Counter

ROOT = Path(__file__).resolve().parent.parent
FORK = multiprocessing.get_context("fork")
_LOADED = ("prediction", "reporting.page", "reporting.results", "reporting.single", "sweep.launcher", "train")
# Address space that a command may take beyond what it begins with.
MEMORY = 3 << 30
PAGE = resource.getpagesize()


@dataclass(frozen=True)
class Done:
    """What a command left.

    Attributes:
        code: Exit code, or minus the number of the signal that ended it; None if it did not end in time.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
    """

    code: int | None
    out: str
    err: str


@dataclass(frozen=True)
class Place:
    """Where a command runs.

    Attributes:
        folder: Its working directory.
        environment: All of its environment.
        output: Folder for the files that its output goes to.
        seconds: How long it may take.
        memory: Address space in bytes that it may take beyond what it begins with.
        limits: Further limits, by the name in :mod:`resource` without ``RLIMIT_``.
        fresh: Whether it begins with nothing loaded.
        moment: A folder, a kind of moment and a number: when it dies (:mod:`campaign.moments`); a kind of None lets it
            live, and counts.
    """

    folder: Path
    environment: Mapping[str, str]
    output: Path
    seconds: float = 60
    memory: int = MEMORY
    limits: Mapping[str, int] | None = None
    fresh: bool = False
    moment: tuple[Path, str | None, int] | None = None


def preload() -> None:
    """Import what the commands import, once, for all forks."""
    sys.path.insert(0, str(ROOT / "src"))
    for name in _LOADED:
        importlib.import_module(f"segbench.{name}")
    importlib.import_module("torch").set_num_threads(1)


def run(command: Sequence[str], place: Place) -> Done:
    """Run ``<script of src/> <arguments>`` and return what came of it.

    Whatever the command started is ended with it.
    """
    place.output.mkdir(parents=True, exist_ok=True)
    begin = _fresh if place.fresh else _forked
    code = begin(command, place)
    return Done(code, *_said(place))


def run_and_signal(command: Sequence[str], place: Place, number: int, patience: float) -> Done:
    """Run a command, send it a signal after ``place.seconds``, and wait for its end."""
    process = start(command, place)
    process.join(place.seconds)
    assert process.pid is not None
    if process.exitcode is None:
        os.kill(process.pid, number)
    process.join(patience)
    in_time = process.exitcode is not None
    end(process.pid)
    process.join()
    return Done(process.exitcode if in_time else None, *_said(place))


def _said(place: Place) -> tuple[str, str]:
    out, err = ((place.output / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err"))
    return out, err


def start(command: Sequence[str], place: Place) -> multiprocessing.process.BaseProcess:
    """Start a command in a fork, without waiting for it."""
    place.output.mkdir(parents=True, exist_ok=True)
    process = FORK.Process(target=_become, args=(command, place))
    process.start()
    return process


def end(number: int) -> None:
    """Kill a process and all of its session."""
    for kill in (os.killpg, os.kill):
        try:
            kill(number, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _forked(command: Sequence[str], place: Place) -> int | None:
    process = start(command, place)
    process.join(place.seconds)
    in_time, number = process.exitcode is not None, process.pid
    assert number is not None
    end(number)
    process.join()
    return process.exitcode if in_time else None


def _become(command: Sequence[str], place: Place) -> None:
    """Become the command, as far as this can be done without loading everything again."""
    os.setsid()
    for number, name in enumerate(("out", "err"), start=1):
        sink = os.open(place.output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, number)
        setattr(sys, "std" + name, os.fdopen(sink, "w", encoding="utf-8", errors="backslashreplace"))
    os.environ.clear()
    os.environ.update(place.environment)
    os.chdir(place.folder)
    sys.path[:0] = [entry for entry in place.environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    logging.getLogger().handlers.clear()
    warnings.simplefilter("ignore")
    _limit(place)
    counter = Counter(*place.moment) if place.moment else None
    if counter:
        counter.install()
        # A command ends its process itself when all is written, with what is registered for its end.
        atexit.register(counter.save, place.output / "moments")
    script = ROOT / "src" / command[0]
    sys.argv = [str(script), *command[1:]]
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        atexit._run_exitfuncs()


def _limit(place: Place) -> None:
    loaded = int(Path("/proc/self/statm").read_text().split()[0]) * PAGE
    # A fresh process has yet to map its libraries.
    allowed = {"AS": loaded + place.memory + ((8 << 30) if place.fresh else 0), "CORE": 0, **(place.limits or {})}
    for name, value in allowed.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def _fresh(command: Sequence[str], place: Place) -> int | None:
    line = [sys.executable, "-W", "ignore", str(ROOT / "src" / command[0]), *command[1:]]
    with (place.output / "out").open("wb") as out, (place.output / "err").open("wb") as err:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=place.folder,
            env=dict(place.environment),
            start_new_session=True,
            preexec_fn=lambda: _limit(place),
        )
        try:
            return process.wait(place.seconds + 30)
        except subprocess.TimeoutExpired:
            return None
        finally:
            end(process.pid)
            process.wait()
