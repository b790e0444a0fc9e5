"""One job of a sweep: the command that one could type for it, as a process of its own wherever a launcher puts it.

A job that raises, exits, runs out of memory or is killed so leaves the others running, and what it leaves behind is the
same with every launcher.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import IO, Any, NamedTuple, Protocol

from omegaconf import DictConfig

from segbench.errors import StorageError
from segbench.installation import again
from segbench.runs.files import read_json
from segbench.runs.signals import give_back, take, tied
from segbench.sweep.resources import with_threads

log = logging.getLogger("segbench")
POLL_SECONDS = 0.2
# How long a job that was told to stop may take over its step and its save before it is taken for one that hangs; and
# how long once Ctrl-C is pressed again.
STOP_SECONDS, HURRIED_SECONDS = 300.0, 5.0
# A run that another sweep has is tried again as soon as its status.json changes, and after this long: whoever had it
# may have been killed without a word. That file may lie on a shared file system.
RETRY_SECONDS, LOOK_SECONDS = 60.0, 2.0


class Ended(NamedTuple):
    """How a job's process ended.

    Attributes:
        code: Its exit code, -n where signal n killed it; None where nobody knows, and the run directory has to tell.
        seconds: How long it took.
        remark: What its launcher knows of a process of which nothing else is known, or why there is none.
    """

    code: int | None
    seconds: float
    remark: str = ""


def not_started(directory: Path, error: OSError) -> Ended:
    """Return the end of a job whose folder or process could not be created; the others may still run."""
    return Ended(StorageError.exit_code, 0.0, f"cannot start in {directory}: {error}")


class Process(Protocol):
    """What is done with a job's process; ``subprocess.Popen`` is one."""

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""

    def wait(self) -> int:
        """Wait for its end, and return the exit code."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal, if it runs."""

    def terminate(self) -> None:
        """Send it SIGTERM, if it runs."""


def stop(processes: Mapping[str, Process], seconds: float | None = None) -> None:
    """Tell processes to save and to end, and wait; those that do not end in time, as they hang, are killed.

    Meanwhile Ctrl-C shortens that time, and no other signal adds anything.

    Args:
        processes: The processes, by what they are called in the log.
        seconds: That time; None for :data:`STOP_SECONDS`.
    """
    hurry = list[int]()
    main = threading.current_thread() is threading.main_thread()
    former = take(lambda number, frame: hurry.append(number)) if main else {}
    try:
        for process in processes.values():
            process.terminate()
        begun = time.monotonic()
        while left := {name: process for name, process in processes.items() if process.poll() is None}:
            most = HURRIED_SECONDS if signal.SIGINT in hurry else STOP_SECONDS if seconds is None else seconds
            if time.monotonic() - begun > most:
                break
            time.sleep(POLL_SECONDS)
        for name, process in left.items():
            _kill(name, process)
    finally:
        give_back(former)


def _kill(name: str, process: Process) -> int:
    """End a process that hangs, and return its exit code."""
    log.warning("%s: told to stop, it did not end in time, and was killed; the same command goes on with it", name)
    process.send_signal(signal.SIGKILL)
    return process.wait()


Begin = Callable[[Sequence[str], Mapping[str, str], Path, IO[bytes] | None], Process]


def begin_fresh(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, console: IO[bytes] | None
) -> Process:
    """Begin a job as a process that has nothing loaded, and that ends with this one.

    Args:
        arguments: The interpreter, the program and its arguments.
        environment: Its environment variables.
        folder: Where it runs.
        console: Where its output goes; None for this process's.

    Raises:
        OSError: If there can be no further process.
    """
    # So that no job outlives a sweep that is killed.
    command = tied(arguments, signal.SIGTERM)
    errors = None if console is None else subprocess.STDOUT
    return subprocess.Popen(command, env=environment, cwd=folder, stdout=console, stderr=errors)


@dataclass(frozen=True)
class Command:
    """The command of one job. Called, it runs and is waited for; libraries call it on the machine that they choose.

    Attributes:
        arguments: The program and its arguments.
        folder: The folder that it is typed in.
        directory: The run directory, from there.
        cores: Cores that the job is given, for the number of its threads; None leaves that to torch.
    """

    arguments: tuple[str, ...]
    folder: Path
    directory: Path
    cores: int | None = None

    def start(self, environment: Mapping[str, str], begin: Begin = begin_fresh) -> Process:
        """Start it; what it prints goes to ``console.log`` of its run directory.

        Args:
            environment: Its environment variables.
            begin: What makes the process.

        Raises:
            OSError: If it cannot be started.
        """
        directory = self.folder / self.directory
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "console.log").open("ab") as console:
            return begin(self.arguments, environment, self.folder, console)

    def __call__(self) -> Ended:
        """Run it and wait for it; a stop signal stops it, and acts here once the run is saved.

        Then it does what it did before: with submitit, the signal of a job's time limit queues it again. Where that
        lets the process go on, it ends without a result, so that nobody takes an interrupted job for one that is over.
        """
        came = list[int]()

        def stop(number: int, frame: FrameType | None) -> None:
            came.append(number)

        former = take(stop) if threading.current_thread() is threading.main_thread() else {}
        try:
            ended = self.run(came)
        finally:
            give_back(former)
        if came:
            signal.raise_signal(came[0])
            os._exit(128 + came[0])
        return ended

    def run(self, signals: Sequence[int]) -> Ended:
        """Run it and wait for it.

        Args:
            signals: Gets the signals that come for it meanwhile, of which the first is passed on.
        """
        begun = time.monotonic()
        if signals:
            return Ended(None, 0.0, "stopped before it was started")
        try:
            process, told = self.start(with_threads(os.environ, self.cores)), 0.0
        except OSError as error:
            return not_started(self.directory, error)
        # Not in one system call, which Ray could not interrupt.
        while (code := process.poll()) is None:
            if told and time.monotonic() - told > STOP_SECONDS:
                code = _kill(self.directory.name, process)
                break
            if signals and not told:
                told = time.monotonic()
                # Ray, which stops a job by SIGINT, lets it inherit that one blocked.
                process.send_signal(signal.SIGTERM if signals[0] == signal.SIGINT else signals[0])
            time.sleep(POLL_SECONDS)
        return Ended(code, time.monotonic() - begun)

    def checkpoint(self) -> Any:
        """Return what submitit queues again when the time limit is near: the same command goes on with its run."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass(eq=False)
class Job:
    """One job of the sweep and its outcome.

    Attributes:
        number: Its number in the sweep.
        overrides: What it sets beside what the sweep sets.
        config: Its configuration.
        directory: Its run directory.
        slot: Which of the jobs that run at a time it is, from 0.
        process: Its process, with the launcher ``processes``.
        started: When it was, by the monotonic clock.
        outcome: How it ended, as ``sweep.json`` has it; empty before.
    """

    number: int
    overrides: list[str]
    config: DictConfig
    directory: Path
    slot: int = 0
    process: Process | None = None
    started: float = 0.0
    outcome: dict[str, Any] = field(default_factory=dict)
    _before: dict[str, Any] | None = None
    _refused: tuple[float, dict[str, Any]] | None = None
    _looked: float = 0.0

    def moved(self, directory: Path) -> Job:
        """Return the job with another run directory."""
        return replace(self, directory=directory)

    def command(self, flags: Sequence[str], cores: int | None = None) -> Command:
        """Return the job's command.

        Args:
            flags: What the sweep was told beside its jobs' overrides.
            cores: Cores that the job is given.
        """
        directory = str(self.directory).replace("\\", "\\\\").replace("'", "\\'")
        own = (*flags, *self.overrides, "hydra.mode=RUN", f"hydra.run.dir='{directory}'")
        return Command((*again("run"), *own), Path.cwd(), self.directory, cores)

    def status(self) -> dict[str, Any]:
        """Return its ``status.json``; empty where there is none."""
        return read_json(self.directory / "status.json") or {}

    def begin(self) -> None:
        """Note that it is started now, or given to who will start it."""
        self.started, self._before = time.monotonic(), self.status()

    def said(self) -> dict[str, Any]:
        """Return what ``status.json`` says since it was begun; empty where that is of an earlier attempt."""
        status = self.status()
        return {} if self._before in (None, status) else status

    def wait_for_other(self) -> None:
        """Note that another process has its run."""
        self._looked = time.monotonic()
        self._refused = self._looked, self.status()

    def is_due(self) -> bool:
        """Say whether it may be tried: no other process has its run, as far as is known."""
        if self._refused is None:
            return True
        now, (moment, status) = time.monotonic(), self._refused
        if now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        # It may have ended before it was asked.
        return status.get("state") != "running" or now - moment > RETRY_SECONDS or self.status() != status
