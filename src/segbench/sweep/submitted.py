"""Launchers that hand jobs to Slurm, or to processes that stand in for it, by submitit."""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from abc import abstractmethod
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

from segbench.errors import ConfigError
from segbench.installation import require
from segbench.sweep.batches import BatchLauncher, plain
from segbench.sweep.job import HURRIED_SECONDS, STOP_SECONDS, Command, Ended, Job, stop

log = logging.getLogger("segbench")
# Slurm's own limit, MaxArraySize, is 1,001 unless a cluster has another.
LONGEST_ARRAY = 1000
LOOKS_PER_SECOND = 5
# What submitit knows of every executor; the others begin with the executor's name.
_COMMON = (
    "timeout_min",
    "cpus_per_task",
    "gpus_per_node",
    "tasks_per_node",
    "mem_gb",
    "nodes",
    "name",
    "stderr_to_stdout",
)


class SubmititLauncher(BatchLauncher):
    """Base of the two.

    Args:
        submitit_folder: Where submitit keeps a job's submission and what it prints beside the run's own log; ``%j`` is
            the job's number. What belongs to a job that is over is removed.
        busy: As in :class:`SweepLauncher`.
        max_num_timeout: How often a job may be queued again at its time limit.
        options: submitit's, for example ``timeout_min``, ``cpus_per_task``, ``partition``; null leaves one to it.

    Raises:
        ConfigError: If an argument is invalid.
    """

    executor: str
    begun = "submitted"

    def __init__(self, submitit_folder: str, busy: str = "wait", max_num_timeout: int = 0, **options: Any) -> None:
        super().__init__(busy)
        self.folder, self.repeats = Path(submitit_folder), max_num_timeout
        self.options = {key: value for key, value in plain(options).items() if value is not None}
        for key in ("nodes", "tasks_per_node"):
            if self.options.get(key, 1) != 1:
                raise ConfigError(
                    f"hydra.launcher.{key}={self.options[key]}: a job is one task, whose run starts its other processes"
                    " itself; set hydra.launcher.gpus_per_node and trainer.devices"
                )
        self.cores = self.options.get("cpus_per_task")
        self.waiting: dict[Any, Job] = {}

    def check(self) -> None:
        """Refuse a machine without submitit, without Slurm, or options that submitit does not know."""
        require("submitit", "cluster", f"hydra/launcher=submitit_{self.executor}")
        if self.executor == "slurm" and shutil.which("sbatch") is None:
            raise ConfigError("hydra/launcher=submitit_slurm: no sbatch here; start the sweep where Slurm is")
        self._executor()

    def run(self, jobs: list[Job], commands: list[Command]) -> Generator[tuple[Job, Ended], None, None]:
        """Submit the commands and wait for what becomes of them."""
        left = list(zip(jobs, commands, strict=True))
        try:
            while left or self.waiting:
                now, left = left[: self.room()], left[self.room() :]
                if now:
                    submitted = self._submit([command for _, command in now])
                    self.waiting |= {job: asked for job, (asked, _) in zip(submitted, now, strict=True)}
                    log.info("submitted: %s", ", ".join(sorted({job.job_id.partition("_")[0] for job in submitted})))
                # The folder may be on a shared file system, which is not to be asked a thousand times a second.
                time.sleep(max(1.0, len(self.waiting) / LOOKS_PER_SECOND))
                for job in [job for job in self.waiting if self.is_over(job)]:
                    yield self.waiting.pop(job), self._ended(job)
        finally:
            if self.waiting:
                self.leave(list(self.waiting))
            else:
                self._clear()
            self.waiting.clear()

    @abstractmethod
    def room(self) -> int:
        """Return how many jobs may be submitted now."""

    @abstractmethod
    def is_over(self, job: Any) -> bool:
        """Say whether a submitted job is over."""

    @abstractmethod
    def leave(self, jobs: list[Any]) -> None:
        """Do with jobs that are not over what is right where the sweep is stopped."""

    def _executor(self) -> Any:
        import submitit

        own = {key if key in _COMMON else f"{self.executor}_{key}": value for key, value in self.options.items()}
        try:
            executor = submitit.AutoExecutor(
                str(self.folder), cluster=self.executor, **{f"{self.executor}_max_num_timeout": self.repeats}
            )
            executor.update_parameters(**own)
        except (TypeError, ValueError, NameError) as error:
            raise _refused(error) from None
        return executor

    def _submit(self, commands: list[Command]) -> list[Any]:
        import submitit

        try:
            return list(self._executor().submit_array(commands))
        except submitit.core.utils.FailedJobError as error:
            raise _refused(error) from None

    def _ended(self, job: Any) -> Ended:
        """Return how a submitted job ended, and remove what submitit kept of it."""
        import submitit

        # Of a job that Slurm calls completed, the result may take a moment to be seen here.
        unknown = Ended(None, 0.0, f"job {job.job_id}: {job.state}; see {job.paths.folder}")
        if not job.paths.result_pickle.exists() and not job.state.startswith("COMPLETED"):
            return unknown
        try:
            ended = job.result()
        except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError):
            # The run directory knows more; the job's own words stay for who looks for them.
            return unknown
        for path in (job.paths.submitted_pickle, job.paths.result_pickle, job.paths.stdout, job.paths.stderr):
            path.unlink(missing_ok=True)
        _remove_if_empty(job.paths.folder)
        return ended

    def _clear(self) -> None:
        """Remove what submitit kept of the submission, once nothing of it is left."""
        import submitit

        folder = submitit.core.utils.JobPaths.get_first_id_independent_folder(self.folder)
        for script in folder.glob("*/*_submission.sh"):
            if [script] == list(script.parent.iterdir()):
                script.unlink()
                script.parent.rmdir()
        for link in folder.glob(".submission_file_*.sh"):
            if not link.exists():
                link.unlink()
        _remove_if_empty(self.folder, folder)


class LocalLauncher(SubmititLauncher):
    """Runs the jobs on this machine as submitit would on a cluster, to try out there what a job is given.

    Args:
        jobs: Number of jobs that run at a time.
        arguments: As in :class:`SubmititLauncher`.
    """

    executor = "local"

    def __init__(self, jobs: int = 1, **arguments: Any) -> None:
        super().__init__(**arguments)
        if type(jobs) is not int or jobs < 1:
            raise ConfigError(f"hydra.launcher.jobs={jobs}: must be a positive integer")
        self.jobs, self.where = jobs, f"submitit, {jobs} at a time"

    def room(self) -> int:
        """Return how many jobs may be submitted now."""
        return self.jobs - len(self.waiting)

    def is_over(self, job: Any) -> bool:
        """Say whether a submitted job is over."""
        return job.done()

    def leave(self, jobs: list[Any]) -> None:
        """Stop them; each saves its progress."""
        # Of each, the process that stands for Slurm's kills the run itself, if that hangs.
        stop({f"job {job.job_id}": job._process for job in jobs}, STOP_SECONDS + HURRIED_SECONDS)


class SlurmLauncher(SubmititLauncher):
    """Lets Slurm run the jobs, as arrays. A sweep that is stopped leaves them in the queue, and finds them again.

    Args:
        arguments: As in :class:`SubmititLauncher`.
    """

    executor = "slurm"
    where = "by Slurm"

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)

    def room(self) -> int:
        """Return how many jobs may be submitted now."""
        return LONGEST_ARRAY

    def is_over(self, job: Any) -> bool:
        """Say whether a submitted job is over; one that was preempted is not, if Slurm has queued it again."""
        if job.done():
            return True
        return job.watcher.get_state(job.job_id, mode="cache").upper().startswith("PREEMPTED") and not _queued(job)

    def leave(self, jobs: list[Any]) -> None:
        """Say where they are."""
        numbers = sorted({job.job_id.partition("_")[0] for job in jobs})
        log.warning(
            "Slurm goes on with the jobs %s; the same command waits for them, scancel %s stops them",
            ", ".join(numbers), " ".join(numbers),
        )  # fmt: skip


def _refused(error: Exception) -> ConfigError:
    return ConfigError(f"hydra.launcher: {' '.join(str(error).split())[:300]}")


def _remove_if_empty(*folders: Path) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _queued(job: Any) -> bool:
    found = subprocess.run(["squeue", "--noheader", "--jobs", job.job_id], capture_output=True, check=False)
    return bool(found.stdout.strip())
