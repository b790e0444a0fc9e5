"""How the jobs of a sweep ended, as ``sweep.json`` has it and the terminal says it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra.core.utils import filter_overrides

from segbench.configuration.recorded import recorded_overrides
from segbench.errors import BusyError
from segbench.runs.directory import RunDirectory
from segbench.sweep.job import Ended, Job

log = logging.getLogger("segbench")


def failed(outcome: dict[str, Any]) -> bool:
    """Say whether a job failed; a run that was left to whoever trains it did not."""
    return outcome.get("exit_code") not in (0, BusyError.exit_code)


def settle(job: Job, ended: Ended, reason: str | None = None, skipped: bool = False) -> None:
    """Record and log a job's outcome.

    Args:
        job: The job.
        ended: How its process ended.
        reason: Why it failed; None to ask the run directory.
        skipped: Whether it was done before.
    """
    code, said = _told(job, ended)
    job.outcome = {
        "directory": job.directory.name,
        "overrides": recorded_overrides(filter_overrides(job.overrides)),
        "exit_code": code,
        "reason": None if code == 0 else reason or said,
        "seconds": round(ended.seconds, 1),
        "skipped": skipped,
    }
    name = f"#{job.number} {job.directory.name}"
    if skipped:
        log.info("%s: already done, skipped", name)
    elif code == 0:
        log.info("%s: done in %.0f s", name, ended.seconds)
    elif not failed(job.outcome):
        log.warning("%s: left: %s", name, job.outcome["reason"])
    else:
        log.error("%s: failed: %s", name, job.outcome["reason"])


def _told(job: Job, ended: Ended) -> tuple[int, str]:
    """Return a job's exit code, and why it failed if it did."""
    if ended.code is None:
        return _as_recorded(job, ended.remark)
    if ended.code >= 0:
        return ended.code, _recorded_reason(job) or f"exit code {ended.code}; see {job.directory / 'train.log'}"
    # It was killed, and could not record it.
    reason, code = f"killed by {signal.Signals(-ended.code).name}", 128 - ended.code
    if job.directory.is_dir():
        with suppress(OSError):  # the disk may be full; sweep.json and the log have the reason too
            RunDirectory(job.directory).fail(reason, code)
    return code, reason


def _as_recorded(job: Job, remark: str) -> tuple[int, str]:
    """Return what the run directory says of a job of which nothing else is known."""
    status = job.status()
    if status.get("state") == "done":
        return 0, ""
    code = status.get("exit_code")
    if reason := _recorded_reason(job):
        return code if type(code) is int and code else 1, reason
    return 1, f"ended without a word{f' ({remark})' if remark else ''}; see {job.directory / 'console.log'}"


def _recorded_reason(job: Job) -> str:
    status = job.status()
    return str(status.get("reason") or "") if status.get("state") == "failed" else ""


def log_outcomes(jobs: Sequence[Job]) -> None:
    """Say how many jobs are done, and why the others are not."""
    bad = [job for job in jobs if job.outcome and failed(job.outcome)]
    left = [job for job in jobs if job.outcome.get("exit_code") == BusyError.exit_code]
    skipped = sum(job.outcome.get("skipped", False) for job in jobs)
    rest = f", {len(left)} left to who trains them" if left else ""
    log.info("sweep: %d done (%d skipped), %d failed%s", len(jobs) - len(bad) - len(left), skipped, len(bad), rest)
    for job in bad:
        log.error("failed: #%d %s: %s", job.number, job.directory.name, job.outcome["reason"])
