"""Launchers that hand jobs to a library: joblib and Ray here, Slurm by submitit in :mod:`segbench.sweep.submitted`.

The library decides where and when a job's command runs. What else a sweep does is :mod:`segbench.sweep.launcher`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import warnings
from abc import abstractmethod
from collections.abc import Generator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from segbench.errors import ConfigError
from segbench.installation import require
from segbench.sweep.difference import independent
from segbench.sweep.job import HURRIED_SECONDS, POLL_SECONDS, STOP_SECONDS, Command, Ended, Job
from segbench.sweep.launcher import IsDone, SweepLauncher

_RAY = ("ray", "ray", "hydra/launcher=ray")


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a launcher's options as plain types."""
    return {
        key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        for key, value in options.items()
    }


class BatchLauncher(SweepLauncher):
    """Base of launchers that give a library all jobs that can run at the same time."""

    cores: int | None = None

    @abstractmethod
    def run(self, jobs: list[Job], commands: list[Command]) -> Generator[tuple[Job, Ended], None, None]:
        """Let the library run commands; yield each job as it ends."""

    def run_all(self, jobs: list[Job], is_done: IsDone) -> None:
        """Run jobs but those that are done, again and again while there are some that wait for others."""
        waiting = list(jobs)
        while waiting:
            ready = independent([job for job in waiting if job.is_due()])
            waiting = [job for job in waiting if job not in ready]
            if begun := [job for job in ready if self.is_to_start(job, is_done)]:
                for job in begun:
                    self.say_started(job)
                with contextlib.closing(self.run(begun, [job.command(self.flags, self.cores) for job in begun])) as run:
                    for job, ended in run:
                        waiting += self.settled(job, ended)
            elif not ready:
                time.sleep(POLL_SECONDS)


class JoblibLauncher(BatchLauncher):
    """Lets joblib run the jobs on this machine.

    Each job is a process anyway, so joblib's workers are threads that wait for them.

    Args:
        n_jobs: Number of jobs that run at a time, as joblib counts: -1 is one for each core.
        busy: As in :class:`SweepLauncher`.
        options: Further arguments of ``joblib.Parallel``.

    Raises:
        ConfigError: If an argument is invalid.
    """

    def __init__(self, n_jobs: int = 1, busy: str = "wait", **options: Any) -> None:
        super().__init__(busy)
        if type(n_jobs) is not int or n_jobs == 0:
            raise ConfigError(f"hydra.launcher.n_jobs={n_jobs}: must be a number of jobs, or -1 for one a core")
        self.n_jobs, self.options = n_jobs, plain(options)
        self.where = f"joblib with n_jobs={n_jobs}"

    def check(self) -> None:
        """Refuse a machine without joblib."""
        joblib = require("joblib", "cluster", "hydra/launcher=joblib")
        with joblib.parallel_config(backend="threading"):
            jobs = joblib.effective_n_jobs(self.n_jobs)
        self.cores = max(1, len(os.sched_getaffinity(0)) // jobs) if jobs > 1 else None

    def run(self, jobs: list[Job], commands: list[Command]) -> Generator[tuple[Job, Ended], None, None]:
        """Let joblib's threads start the commands; those that run are stopped with the sweep, and waited for."""
        import joblib

        signals, running = list[int](), set[int]()
        options = {"n_jobs": self.n_jobs, "backend": "threading", "return_as": "generator_unordered"}
        ends = joblib.Parallel(**(self.options | options))(
            joblib.delayed(_watched)(number, command, signals, running) for number, command in enumerate(commands)
        )
        try:
            for number, ended in ends:
                yield jobs[number], ended
        finally:
            signals.append(signal.SIGTERM)
            while running:
                time.sleep(POLL_SECONDS)
            with warnings.catch_warnings(action="ignore"):  # that the ends of those that are stopped are not used
                ends.close()


def _watched(number: int, command: Command, signals: list[int], running: set[int]) -> tuple[int, Ended]:
    """Run a command in a thread, which gets no signals."""
    running.add(number)
    try:
        return number, command.run(signals)
    finally:
        running.discard(number)


class RayLauncher(BatchLauncher):
    """Lets Ray run the jobs, on this machine or on those of a running cluster.

    Args:
        ray: ``init``, arguments of ``ray.init`` (``address`` of a cluster, which shares the folder of the outputs), and
            ``remote``, what each job is given (``num_cpus``, ``num_gpus``).
        busy: As in :class:`SweepLauncher`.

    Raises:
        ConfigError: If an argument is invalid.
    """

    def __init__(self, ray: DictConfig | Mapping[str, Any], busy: str = "wait") -> None:
        super().__init__(busy)
        self.options = {key: dict(plain(ray).get(key) or {}) for key in ("init", "remote")}
        cores = self.options["remote"].get("num_cpus")
        self.cores = max(1, int(cores)) if cores else None
        self.where = f"Ray at {self.options['init'].get('address') or 'this machine'}"

    def check(self) -> None:
        """Refuse a machine without Ray."""
        require(*_RAY)

    def run(self, jobs: list[Job], commands: list[Command]) -> Generator[tuple[Job, Ended], None, None]:
        """Give the commands to Ray; those that run are stopped with the sweep, and waited for."""
        ray: Any = require(*_RAY)
        begun = not ray.is_initialized()
        if begun:
            # Ray's workers would give way to whatever else runs on the machine, and with them the jobs.
            os.environ.setdefault("RAY_worker_niceness", "0")
            quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "warning"}
            ray.init(**(quiet | self.options["init"]))
        remote = ray.remote(max_retries=3, **self.options["remote"])(Command.__call__)
        running = {remote.remote(command): job for job, command in zip(jobs, commands, strict=True)}
        try:
            while running:
                ended, _ = ray.wait(list(running), timeout=1.0)
                for one in ended:
                    yield running.pop(one), _of_ray(ray, one)
        finally:
            for one in running:
                ray.cancel(one)
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=STOP_SECONDS + HURRIED_SECONDS)
            if begun:
                ray.shutdown()


def _of_ray(ray: Any, one: Any) -> Ended:
    try:
        return ray.get(one)
    except ray.exceptions.RayError as error:
        return Ended(None, 0.0, str(error).partition("\n")[0])
