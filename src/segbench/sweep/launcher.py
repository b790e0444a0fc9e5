"""What every launcher of segbench does with a sweep; where the jobs run is each one's own.

The sweep composes and checks all jobs before any is started, skips what is finished, trains the trials of tuned rows,
and reads from the run directories how the jobs ended. So runs, failures, exit codes and the final table are the same
whether jobs are processes of this machine or lie in a cluster's queue.
"""

from __future__ import annotations

import logging
import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from segbench.configuration.choices import config_flags
from segbench.configuration.recorded import hide_in_sweep
from segbench.errors import BusyError, ConfigError, SegbenchError
from segbench.runs.signals import give_back, leave_lost_terminal, take
from segbench.sweep import tuning
from segbench.sweep.board import Board
from segbench.sweep.composing import Composer
from segbench.sweep.difference import each_once, on_same_data
from segbench.sweep.job import Ended, Job, not_started
from segbench.sweep.objective import check_metrics, check_objective, is_awaited, job_return
from segbench.sweep.outcome import log_outcomes, settle, spare
from segbench.sweep.record import earlier_jobs, plan_jobs, write_record
from segbench.sweep.resources import check_processes
from segbench.words import plural

log = logging.getLogger("segbench")
IsDone = Callable[[Path, DictConfig], bool]
_PLUGINS = "hydra_plugins.segbench_launcher."
_OWN_OVERRIDES = (
    "hydra.launcher",
    "hydra/launcher",
    "hydra.sweeper",
    "hydra/sweeper",
    "hydra.mode",
    "hydra.sweep",
    "hydra.run",
)


def keeps_record(config: DictConfig) -> bool:
    """Say whether a sweep's launcher is one of segbench's, which record how their jobs ended."""
    return str(config.hydra.launcher.get("_target_")).startswith(_PLUGINS)


class SweepLauncher(Launcher):
    """Base of the launchers.

    Args:
        busy: What becomes of a job whose run another process is training, of a sweep on another machine say: ``wait``
            for it and take what it makes, or ``leave`` it to the other. What the sweep goes on by, as by a trial's
            score, is always waited for.

    Attributes:
        where: Where jobs run, for the terminal.
        begun: What is done with a job there, for the terminal.
        polled: Whether :meth:`run_all` looks at its jobs itself, again and again, and refreshes the board.
        flags: What each job is told beside its overrides.

    Raises:
        ConfigError: If an argument is invalid.
    """

    where: str
    begun = "started"
    polled = False

    def __init__(self, busy: str = "wait") -> None:
        if busy not in ("wait", "leave"):
            raise ConfigError(f"hydra.launcher.busy={busy}: must be wait or leave")
        self.busy = busy
        self.config: DictConfig | None = None
        self._composer: Composer | None = None
        self.flags: list[str] = []
        self._refused = list[Job]()
        self.board = Board([])

    @abstractmethod
    def run_all(self, jobs: list[Job], is_done: IsDone) -> None:
        """Run jobs but those that are done, and record how each ended."""

    def run_shown(self, jobs: list[Job], is_done: IsDone) -> None:
        """Run jobs but those that are done, and show meanwhile how they do."""
        with Board(jobs, self.begun, self.polled) as self.board:
            self.run_all(jobs, is_done)

    def check(self) -> None:
        """Refuse, before anything is composed, what this machine cannot do."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store what Hydra composed for the sweep."""
        self.config, self._composer = config, Composer(hydra_context, config)
        overrides = OmegaConf.to_container(config.hydra.overrides.hydra)
        assert isinstance(overrides, list)
        own = [text for text in overrides if not str(text).lstrip("+~").startswith(_OWN_OVERRIDES)]
        self.flags = config_flags(sys.argv[1:]) + [str(text) for text in own]

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
        self.check()
        if not job_overrides:
            raise ConfigError("--multirun: there is no job, as a setting is swept over no value")
        asked = [self._compose(initial_job_idx + i, list(overrides)) for i, overrides in enumerate(job_overrides)]
        jobs = each_once(asked)
        check_metrics(job.config for job in jobs)
        rows = tuning.plan(jobs, self._compose)
        record = Path(str(self.config.hydra.sweep.dir)) / "sweep.json"
        earlier = earlier_jobs(record, jobs) if initial_job_idx else []
        log.info("sweep of %s, %s, in %s", plural(len(jobs), "job"), self.where, record.parent)
        hide_in_sweep(record.with_name("multirun.yaml"))
        former = take(_raise_stopped)
        try:
            # Before the trials: a sweep that is stopped at them has runs that are missing, too.
            plan_jobs(record.parent, tuning.untuned(rows))
            tuned = tuning.tune(rows, self._compose, self.run_shown)
            jobs = [tuned.jobs.get(job.directory, job) for job in jobs]
            plan_jobs(record.parent, [job for job in jobs if job.directory not in tuned.refused])
            self.run_shown(jobs, tuned.done_before)
        except SystemExit:
            done = sum(job.outcome.get("exit_code") == 0 for job in jobs)
            log.warning("stopped: %d of %d done; the same command goes on", done, len(jobs))
            raise
        finally:
            give_back(former)
            write_record(record, earlier + [job.outcome for job in jobs if job.outcome])
        log_outcomes(jobs)
        outcomes = {job.directory: job.outcome for job in jobs}
        final = [tuned.jobs.get(job.directory, job) for job in asked]
        return [job_return(job.config, job.overrides, job.directory, outcomes[job.directory]) for job in final]

    def is_to_start(self, job: Job, is_done: IsDone) -> bool:
        """Say whether a job is not done; record its outcome if it is, or if its run can neither be used nor go on.

        Nor is one to start that would read the data that another was refused for.
        """
        try:
            if is_done(job.directory, job.config):
                settle(job, Ended(0, 0.0), self.board.say, skipped=True)
            elif refused := next((one for one in self._refused if on_same_data(one, job)), None):
                spare(job, refused)
            else:
                return True
        except SegbenchError as error:
            settle(job, Ended(error.exit_code, 0.0), self.board.say, str(error))
        except OSError as error:
            settle(job, not_started(job.directory, error), self.board.say)
        return False

    def say_started(self, job: Job) -> None:
        """Note that a job is started, or given to who will start it."""
        log.debug("#%d %s: %s", job.number, job.directory.name, self.begun)
        job.begin()
        self.board.started(job)

    def settled(self, job: Job, ended: Ended) -> list[Job]:
        """Record how a job ended; return it if it has to wait for another process that has its run."""
        if ended.code != BusyError.exit_code:
            settle(job, ended, self.board.say, known={one.outcome["reason"] for one in self._refused})
            self._refused += [job] if job.outcome["of_data"] else []
        elif self.busy == "leave" and not is_awaited(job.config):
            settle(job, ended, self.board.say, "another process is training it")
        else:
            log.info("#%d %s: in progress elsewhere, waited for", job.number, job.directory.name)
            job.wait_for_other()
        self.board.stopped(job)
        return [] if job.outcome else [job]

    def _compose(self, number: int, overrides: list[str]) -> Job:
        assert self._composer is not None
        config, overrides = self._composer(overrides, number)
        check_objective(config)
        check_processes(os.environ, config.trainer.devices, config.trainer.num_nodes)
        directory = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
        return Job(number, overrides, config, directory)


def _raise_stopped(number: int, frame: Any) -> None:
    leave_lost_terminal()
    raise SystemExit(128 + number)
