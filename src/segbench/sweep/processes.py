"""Hydra launcher ``processes``: the jobs of a sweep are processes of this machine, a few at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from segbench.errors import ConfigError
from segbench.sweep import forks
from segbench.sweep.difference import next_ready
from segbench.sweep.job import POLL_SECONDS, Ended, Job, begin_fresh, not_started, stop
from segbench.sweep.launcher import IsDone, SweepLauncher
from segbench.sweep.outcome import settle
from segbench.sweep.resources import check_gpus, job_environment


class ProcessesLauncher(SweepLauncher):
    """Runs each job of a sweep in its own process.

    Args:
        jobs: Number of jobs that run at a time. Each gets cores/jobs threads: oversubscribed cores run many times
            slower.
        gpus: Devices assigned to the jobs in turn, as indices into ``CUDA_VISIBLE_DEVICES`` if it is set; empty leaves
            that variable alone.
        busy: As in :class:`SweepLauncher`.
        fork: Whether jobs begin as forks of this process, which has imported what they need; else each begins with
            nothing. A fork is a process of its own, too.

    Raises:
        ConfigError: If an argument is invalid.
    """

    polled = True

    def __init__(self, jobs: int = 1, gpus: Sequence[int] = (), busy: str = "wait", fork: bool = True) -> None:
        super().__init__(busy)
        # Hydra does not check the types of launcher options.
        if type(jobs) is not int or jobs < 1:
            raise ConfigError(f"hydra.launcher.jobs={jobs}: must be a positive integer")
        if isinstance(gpus, str) or not isinstance(gpus, Sequence) or any(type(number) is not int for number in gpus):
            raise ConfigError(f"hydra.launcher.gpus={gpus}: must be a list of numbers, for example [0,1]")
        if type(fork) is not bool:
            raise ConfigError(f"hydra.launcher.fork={fork}: must be true or false")
        self.jobs, self.gpus, self.fork = jobs, list(gpus), fork
        self.where = f"{jobs} at a time"

    def check(self) -> None:
        """Refuse devices that are not visible."""
        check_gpus(os.environ, self.gpus)

    def run_all(self, jobs: list[Job], is_done: IsDone) -> None:
        """Run jobs but those that are done."""
        running = list[Job]()
        try:
            self._run_each(jobs, running, is_done)
        finally:
            stop({f"#{job.number} {job.directory.name}": job.process for job in running if job.process})

    def _run_each(self, jobs: list[Job], running: list[Job], is_done: IsDone) -> None:
        waiting = list(jobs)
        free = list(range(self.jobs))
        while waiting or running:
            while free and (job := next_ready([job for job in waiting if job.is_due()], running)):
                waiting.remove(job)
                job.slot = free[0]
                if not self.is_to_start(job, is_done) or not self._start(job):
                    continue
                free.pop(0)
                running.append(job)
            time.sleep(POLL_SECONDS)
            self.board.refresh()
            for job in list(running):
                assert job.process is not None
                if (code := job.process.poll()) is not None:
                    running.remove(job)
                    free.append(job.slot)
                    waiting += self.settled(job, Ended(code, time.monotonic() - job.started))

    def _start(self, job: Job) -> bool:
        """Start a job, or record why it could not be."""
        environment = job_environment(os.environ, self.jobs, job.slot, self.gpus)
        self.say_started(job)
        begin = forks.begin if self.fork and forks.can_begin(job.config) else begin_fresh
        try:
            job.process = job.command(self.flags).start(environment, begin)
        except OSError as error:
            settle(job, not_started(job.directory, error), self.board.say)
            self.board.stopped(job)
            return False
        return True
