"""Hydra launcher ``processes``: each job of a sweep runs in its own process, a few at a time.

A job is the same command that one could type for it, so a job that raises, exits, runs out of memory or is killed
leaves the others running. Finished jobs are not started again; the rest resume.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from segbench.configuration.choices import config_flags
from segbench.configuration.recorded import hide_in_sweep, recorded_overrides
from segbench.errors import ConfigError, SegbenchError, StorageError
from segbench.runs.files import read_json
from segbench.runs.signals import end_with_parent, give_back, leave_lost_terminal, take
from segbench.sweep import finished, tuning
from segbench.sweep.difference import each_once, next_ready
from segbench.sweep.objective import check_metrics, check_objective, job_return
from segbench.sweep.record import earlier_jobs, plan_jobs, write_record
from segbench.sweep.refused import log_failures, spare
from segbench.sweep.resources import check_gpus, job_environment
from segbench.words import plural

log = logging.getLogger("segbench")
_POLL_SECONDS = 0.2
_OWN_OVERRIDES = (
    "hydra.launcher",
    "hydra/launcher",
    "hydra.sweeper",
    "hydra/sweeper",
    "hydra.mode",
    "hydra.sweep",
    "hydra.run",
)


@dataclass
class _Job:
    """One job of the sweep and its outcome."""

    number: int
    overrides: list[str]
    config: DictConfig
    directory: Path
    slot: int = 0
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    outcome: dict[str, Any] = field(default_factory=dict)

    def moved(self, directory: Path) -> _Job:
        """Return the job with another run directory."""
        return replace(self, directory=directory)


class ProcessesLauncher(Launcher):
    """Runs each job of a sweep in its own process.

    Args:
        jobs: Number of jobs that run at a time. Each gets cores/jobs threads: oversubscribed cores run many times
            slower.
        gpus: Devices assigned to the jobs in turn, as indices into ``CUDA_VISIBLE_DEVICES`` if it is set; empty leaves
            that variable alone.

    Raises:
        ConfigError: If an argument is invalid.
    """

    def __init__(self, jobs: int = 1, gpus: Sequence[int] = ()) -> None:
        # Hydra does not check the types of launcher options.
        if type(jobs) is not int or jobs < 1:
            raise ConfigError(f"hydra.launcher.jobs={jobs}: must be a positive integer")
        if isinstance(gpus, str) or not isinstance(gpus, Sequence) or any(type(number) is not int for number in gpus):
            raise ConfigError(f"hydra.launcher.gpus={gpus}: must be a list of numbers, for example [0,1]")
        self.jobs, self.gpus = jobs, list(gpus)
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self._flags: list[str] = []
        # What data was refused for, as far as the terminal shows it: a job that runs alone says so itself there.
        self._said: set[str] | None = None if jobs == 1 else set()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store what Hydra composed for the sweep."""
        self.config, self.hydra_context = config, hydra_context
        overrides = OmegaConf.to_container(config.hydra.overrides.hydra)
        assert isinstance(overrides, list)
        own = [text for text in overrides if not str(text).lstrip("+~").startswith(_OWN_OVERRIDES)]
        self._flags = config_flags(sys.argv[1:]) + [str(text) for text in own]

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs and wait for them.

        Args:
            job_overrides: The overrides of each job.
            initial_job_idx: Number of the first job.

        Raises:
            ConfigError: If any job's configuration is invalid; no job has been started then.
        """
        setup_globals()
        assert self.config is not None
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        check_gpus(os.environ, self.gpus)
        if not job_overrides:
            raise ConfigError("--multirun: there is no job, as a setting is swept over no value")
        asked = [self._compose(initial_job_idx + i, list(overrides)) for i, overrides in enumerate(job_overrides)]
        jobs = each_once(asked)
        check_metrics(job.config for job in jobs)
        rows = tuning.plan(jobs, self._compose)
        record = Path(str(self.config.hydra.sweep.dir)) / "sweep.json"
        earlier = earlier_jobs(record, jobs) if initial_job_idx else []
        log.info("sweep of %s, %d at a time, in %s", plural(len(jobs), "job"), self.jobs, record.parent)
        hide_in_sweep(record.with_name("multirun.yaml"))
        former = take(_raise_stopped)
        try:
            # Before the trials: a sweep that is stopped at them has runs that are missing, too.
            plan_jobs(record.parent, tuning.untuned(rows))
            tuned = tuning.tune(rows, self._compose, self._run_all)
            jobs = [tuned.jobs.get(job.directory, job) for job in jobs]
            plan_jobs(record.parent, [job for job in jobs if job.directory not in tuned.refused])
            self._run_all(jobs, tuned.done_before)
        finally:
            give_back(former)
            write_record(record, earlier + [job.outcome for job in jobs if job.outcome])
        _log_outcome(jobs)
        outcomes = {job.directory: job.outcome for job in jobs}
        final = [tuned.jobs.get(job.directory, job) for job in asked]
        return [job_return(job.config, job.overrides, job.directory, outcomes[job.directory]) for job in final]

    def _compose(self, number: int, overrides: list[str]) -> _Job:
        from segbench.configuration.schema import validate

        assert self.config is not None
        assert self.hydra_context is not None
        config = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        validate(config)
        check_objective(config)
        directory = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
        return _Job(number, overrides, config, directory)

    def _run_all(self, jobs: list[_Job], is_done: tuning.IsDone | None = None) -> None:
        running = list[_Job]()
        try:
            self._run_each(jobs, running, is_done or finished.done_before)
        finally:
            _stop(running)

    def _run_each(self, jobs: list[_Job], running: list[_Job], is_done: tuning.IsDone) -> None:
        waiting = list(jobs)
        free = list(range(self.jobs))
        while waiting or running:
            while free and (job := next_ready(waiting, running)):
                waiting.remove(job)
                job.slot = free[0]
                try:
                    if is_done(job.directory, job.config):
                        _settle(job, 0, skipped=True)
                        continue
                    self._start(job)
                except SegbenchError as error:
                    _settle(job, error.exit_code, skipped=False, reason=str(error))
                    continue
                except OSError as error:
                    # This job's folder or process could not be created; the others may still run.
                    reason = f"cannot start in {job.directory}: {error}"
                    _settle(job, StorageError.exit_code, skipped=False, reason=reason)
                    continue
                free.pop(0)
                running.append(job)
            time.sleep(_POLL_SECONDS)
            for job in list(running):
                assert job.process is not None
                if (code := job.process.poll()) is not None:
                    running.remove(job)
                    free.append(job.slot)
                    _settle(job, code, skipped=False, said=self._said)
                    if job.outcome["of_data"]:
                        waiting = _without_refused(waiting, job)

    def _start(self, job: _Job) -> None:
        environment = job_environment(os.environ, self.jobs, job.slot, self.gpus)
        directory = str(job.directory).replace("\\", "\\\\").replace("'", "\\'")
        command = [
            sys.executable,
            sys.argv[0],
            *self._flags,
            *job.overrides,
            "hydra.mode=RUN",
            f"hydra.run.dir='{directory}'",
        ]
        log.info("#%d %s: started", job.number, job.directory.name)
        job.started = time.monotonic()
        # So that no job outlives a sweep that is killed.
        tied = partial(end_with_parent, signal.SIGTERM, os.getpid())
        if self.jobs == 1:
            job.process = subprocess.Popen(command, env=environment, preexec_fn=tied)
            return
        # Several progress bars on one terminal are unreadable: each job writes to its own file.
        job.directory.mkdir(parents=True, exist_ok=True)
        with (job.directory / "console.log").open("ab") as console:
            job.process = subprocess.Popen(
                command, env=environment, stdout=console, stderr=subprocess.STDOUT, preexec_fn=tied
            )


def _without_refused(waiting: list[_Job], refused: _Job) -> list[_Job]:
    """Return the jobs that still wait once the data of one was refused; the others end as it did."""
    spared = spare(refused, waiting)
    for job in spared:
        job.outcome = _outcome(job, refused.outcome["exit_code"], refused.outcome["reason"], of_data=True)
    return [job for job in waiting if job not in spared]


def _settle(job: _Job, code: int, skipped: bool, reason: str | None = None, said: set[str] | None = None) -> None:
    """Record and log a job's outcome, with the given reason or the one that the job recorded.

    Args:
        job: The job.
        code: Its exit code, negative for a signal.
        skipped: Whether it was done before.
        reason: Why it could not be started.
        said: What data was refused for and need not be said again, to be added to; None where the job said it.
    """
    reason, of_data = (None, False) if code == 0 else (reason, False) if reason else _reason(job, code)
    job.outcome = _outcome(job, code, reason, skipped, of_data)
    name = f"#{job.number} {job.directory.name}"
    if skipped:
        log.info("%s: already done, skipped", name)
    elif code == 0:
        log.info("%s: done in %.0f s", name, job.outcome["seconds"])
    else:
        known = of_data and (said is None or reason in said)
        log.error("%s: failed%s", name, " by its data" if known else f": {reason}")
        if of_data and said is not None:
            said.add(str(reason))


def _outcome(job: _Job, code: int, reason: str | None, skipped: bool = False, of_data: bool = False) -> dict[str, Any]:
    """Return what ``sweep.json`` records of a job."""
    return {
        "directory": job.directory.name,
        "overrides": recorded_overrides(filter_overrides(job.overrides)),
        "exit_code": code if code >= 0 else 128 - code,
        "reason": reason,
        "of_data": of_data,
        "seconds": round(time.monotonic() - job.started, 1) if job.started else 0.0,
        "skipped": skipped,
    }


def _reason(job: _Job, code: int) -> tuple[str, bool]:
    """Return why a job failed, and whether any on its data would; of a killed job, which could not, record it here."""
    from segbench.runs.directory import RunDirectory

    if code < 0:
        reason = f"killed by {signal.Signals(-code).name}"
        if job.directory.is_dir():
            with suppress(OSError):  # the disk may be full; sweep.json and the log have the reason too
                RunDirectory(job.directory).fail(reason, 128 - code)
        return reason, False
    status: dict[str, Any] = {}
    with suppress(OSError):  # unreadable: there is still the exit code
        status = read_json(job.directory / "status.json") or {}
    if status.get("state") == "failed" and status.get("reason"):
        return str(status["reason"]), bool(status.get("of_data"))
    return f"exit code {code}; see {job.directory / 'train.log'}", False


def _log_outcome(jobs: list[_Job]) -> None:
    failed = [job for job in jobs if job.outcome.get("exit_code")]
    skipped = sum(job.outcome.get("skipped", False) for job in jobs)
    log.info("sweep: %d done (%d skipped), %d failed", len(jobs) - len(failed), skipped, len(failed))
    log_failures(jobs)


def _stop(jobs: list[_Job]) -> None:
    """Terminate the running jobs; each saves its progress."""
    for job in jobs:
        assert job.process is not None
        job.process.terminate()
    for job in jobs:
        assert job.process is not None
        job.process.wait()


def _raise_stopped(number: int, frame: Any) -> None:
    leave_lost_terminal()
    raise SystemExit(128 + number)
