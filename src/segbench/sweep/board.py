"""What a sweep shows of its jobs while they run: one live table on a terminal, elsewhere one line a job in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from segbench.errors import BusyError
from segbench.terminal import shown
from segbench.words import duration, plural

log = logging.getLogger("segbench")
# Lines of a terminal that are not for jobs: the two above them, the one that counts the others, and the prompt.
_OTHER_LINES = 5
_MOST_ROWS = 20
# What is read of the end of a job's output.
_TAIL = 2048
_REFRESH_SECONDS = 1.0
# Where the table is drawn by a thread, run directories may lie on a shared file system.
_SHARED_SECONDS = 5.0


class Job(Protocol):
    """One job of a sweep."""

    number: int
    directory: Path
    outcome: dict[str, Any]


class Board:
    """The jobs of a sweep, or of a batch of it, from the first to the last one.

    Args:
        jobs: All of them.
        begun: What is done with a job where a library decides when it runs: it is ``started`` or ``submitted``.
        polled: Whether jobs run as soon as they are started, and :meth:`refresh` is called meanwhile; else a thread
            draws the table. A process that forks may have none.
    """

    def __init__(self, jobs: Sequence[Job], begun: str = "started", polled: bool = True) -> None:
        self.total, self.begun = len(jobs), "running" if polled else begun
        self._jobs = jobs
        # The jobs that run, and how long the output of each was before.
        self._running: dict[int, tuple[Job, int]] = {}
        self._trained = 0
        self._since = 0.0
        # When the last one is expected to end.
        self._end: float | None = None
        self._drawn = 0.0
        self._polled = polled
        self._console = Console(stderr=True)
        self._live: Live | None = None

    def __enter__(self) -> Board:
        """Show the table, where there is a terminal."""
        if self._console.is_terminal and self._jobs:
            rate = 1 / (_REFRESH_SECONDS if self._polled else _SHARED_SECONDS)
            self._live = Live(
                console=self._console,
                auto_refresh=not self._polled,
                refresh_per_second=rate,
                transient=True,
                get_renderable=self.table,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the table; what has become of the jobs is for the log."""
        self._remove()

    def _remove(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            with suppress(OSError):  # the terminal is gone
                live.stop()

    def started(self, job: Job) -> None:
        """Note that a job is started."""
        self._since = self._since or time.monotonic()
        console = job.directory / "console.log"
        self._running[job.number] = job, console.stat().st_size if console.exists() else 0

    def stopped(self, job: Job) -> None:
        """Note that a job has ended, or has to wait."""
        if self._running.pop(job.number, None) is not None and job.outcome:
            self._trained += 1
            # Those that run are taken to be half done.
            now, half = time.monotonic(), len(self._running) / 2
            each = (now - self._since) / (self._trained + half)
            self._end = now + each * (self.total - self._ended - half)

    def say(self, level: int, line: str) -> None:
        """Say what became of a job; of one that went well the table tells, where there is one."""
        if self._live is None or level > logging.INFO:
            log.log(level, line)

    def refresh(self) -> None:
        """Draw the table again, if that is due."""
        now = time.monotonic()
        if self._live is not None and self._polled and now - self._drawn > _REFRESH_SECONDS:
            self._drawn = now
            try:
                self._live.refresh()
            except OSError:
                # A sweep in the background outlives its terminal; what is logged may go elsewhere too.
                self._remove()

    def table(self) -> RenderableType:
        """Return what is to be seen now."""
        running = list(self._running.values())
        room = max(1, min(_MOST_ROWS, self._console.height - _OTHER_LINES))
        rows = Table.grid(padding=(0, 2), expand=True)
        rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for job, before in running[:room]:
            name = shown(f"#{job.number} {job.directory.name}")
            rows.add_row(name, shown(_last_line(job.directory / "console.log", before), "dim"))
        if len(running) > room:
            rows.add_row(f"and {len(running) - room} more", "")
        bar = Columns([ProgressBar(total=self.total, completed=self._ended)])
        return Group(shown(self.summary()), bar, rows)

    def summary(self) -> str:
        """Return how many jobs are done, failed and running, and how long the rest takes if it goes on like this."""
        codes = [job.outcome["exit_code"] for job in self._jobs if job.outcome]
        left, done = codes.count(BusyError.exit_code), codes.count(0)
        words = [f"{done} of {plural(self.total, 'job')} done"]
        counted = {self.begun: len(self._running), "failed": len(codes) - done - left, "left to others": left}
        words += [f"{number} {what}" for what, number in counted.items() if number]
        if self._end is not None and self._ended < self.total:
            words.append(f"about {duration(max(0.0, self._end - time.monotonic()))} left")
        return ", ".join(words)

    @property
    def _ended(self) -> int:
        return sum(bool(job.outcome) for job in self._jobs)


def _last_line(console: Path, before: int) -> str:
    """Return the last line of a job's output, without what stood there before; empty where there is none."""
    try:
        with console.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(before, size - _TAIL))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
