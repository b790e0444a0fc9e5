"""How the jobs of a sweep ended, as ``sweep.json`` has it and the terminal says it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from hydra.core.utils import filter_overrides

from segbench.configuration.recorded import recorded_overrides
from segbench.errors import BusyError
from segbench.runs.directory import PRUNED, RunDirectory
from segbench.sweep.job import Ended, Job
from segbench.words import duration, listed, plural

log = logging.getLogger("segbench")


def failed(outcome: dict[str, Any]) -> bool:
    """Say whether a job failed; a run that was left to whoever trains it did not."""
    return outcome.get("exit_code") not in (0, BusyError.exit_code)


def all_refused(outcomes: Sequence[dict[str, Any]]) -> bool:
    """Say whether the data of all of a sweep's jobs was refused, so that there is nothing to compare."""
    return bool(outcomes) and all(outcome.get("of_data") for outcome in outcomes)


def spare(job: Job, refused: Job) -> None:
    """Record that a job was not started, as the data that it would read was refused for another."""
    told = {key: refused.outcome[key] for key in ("exit_code", "reason", "of_data")}
    job.outcome = _outcome(job, Ended(None, 0.0)) | told


def settle(
    job: Job,
    ended: Ended,
    say: Callable[[int, str], None],
    reason: str | None = None,
    skipped: bool = False,
    known: Collection[str] = (),
) -> None:
    """Record and say a job's outcome.

    Args:
        job: The job.
        ended: How its process ended.
        say: Takes a level of the log, and a line.
        reason: Why it failed; None to ask the run directory.
        skipped: Whether it was done before.
        known: Why data was refused, as far as that was said already.
    """
    code, said = _told(job, ended)
    told = {"exit_code": code, "reason": None if code == 0 else reason or said, "skipped": skipped}
    told["of_data"] = code != 0 and reason is None and bool(job.said().get("of_data"))
    job.outcome = _outcome(job, ended) | told
    name = f"#{job.number} {job.directory.name}"
    if skipped:
        say(logging.INFO, f"{name}: already done, skipped")
    elif code == 0:
        end = PRUNED if job.status().get("state") == PRUNED else "done"
        say(logging.INFO, f"{name}: {end} in {duration(ended.seconds)}")
    elif not failed(job.outcome):
        say(logging.WARNING, f"{name}: left: {job.outcome['reason']}")
    elif job.outcome["of_data"] and job.outcome["reason"] in known:
        say(logging.ERROR, f"{name}: failed by its data")
    else:
        say(logging.ERROR, f"{name}: failed: {job.outcome['reason']}")


def _outcome(job: Job, ended: Ended) -> dict[str, Any]:
    """Return what is recorded of every job."""
    return {
        "directory": job.directory.name,
        "overrides": recorded_overrides(filter_overrides(job.overrides)),
        "exit_code": None,
        "reason": None,
        "of_data": False,
        "seconds": round(ended.seconds, 1),
        "skipped": False,
    }


def _told(job: Job, ended: Ended) -> tuple[int, str]:
    """Return a job's exit code, and why it failed if it did."""
    if ended.code is None:
        return _as_recorded(job, ended.remark)
    if ended.code >= 0:
        unknown = f"exit code {ended.code}; see {job.directory / 'train.log'}"
        return ended.code, ended.remark or _recorded_reason(job) or unknown
    # It was killed, and could not record it.
    reason, code = f"killed by {signal.Signals(-ended.code).name}", 128 - ended.code
    if job.directory.is_dir():
        with suppress(OSError):  # the disk may be full; sweep.json and the log have the reason too
            RunDirectory(job.directory).fail(reason, code)
    return code, reason


def _as_recorded(job: Job, remark: str) -> tuple[int, str]:
    """Return what the run directory says of a job of which nothing else is known."""
    status = job.said()
    if status.get("state") in ("done", PRUNED):
        return 0, ""
    code = status.get("exit_code")
    if reason := _recorded_reason(job):
        return code if type(code) is int and code else 1, reason
    return 1, f"ended without a word{f' ({remark})' if remark else ''}; see {job.directory / 'console.log'}"


def _recorded_reason(job: Job) -> str:
    status = job.said()
    return str(status.get("reason") or "") if status.get("state") == "failed" else ""


def log_outcomes(jobs: Sequence[Job]) -> None:
    """Say how many jobs are done, and why the others are not."""
    bad = [job for job in jobs if job.outcome and failed(job.outcome)]
    left = [job for job in jobs if job.outcome.get("exit_code") == BusyError.exit_code]
    skipped = sum(job.outcome.get("skipped", False) for job in jobs)
    spared = [job for job in bad if job.outcome["of_data"] and not job.started]
    rest = f", {len(left)} left to who trains them" if left else ""
    rest += f", {len(spared)} not started" if spared else ""
    done, count = len(jobs) - len(bad) - len(left), len(bad) - len(spared)
    log.info("sweep: %d done (%d skipped), %d failed%s", done, skipped, count, rest)
    if spared:
        log.error("not started, as their data was refused for another: %s", plural(len(spared), "job"))
    reasons: dict[str, list[str]] = {}
    for job in bad:
        reasons.setdefault(str(job.outcome["reason"]), []).append(f"#{job.number} {job.directory.name}")
    if len(reasons) == 1 and all_refused([job.outcome for job in jobs]):
        return  # it is the only thing that was said
    for reason, names in reasons.items():
        log.error("failed: %s: %s", listed(names), reason)
