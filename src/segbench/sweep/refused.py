"""Jobs whose data is refused: what one of them found is true of all on the same data, and is said once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from omegaconf import DictConfig

from segbench.sweep.difference import difference
from segbench.words import listed, plural

log = logging.getLogger("segbench")


class Job(Protocol):
    """One job of a sweep, and how it ended."""

    number: int
    config: DictConfig
    directory: Path
    outcome: dict[str, Any]


JobT = TypeVar("JobT", bound=Job)


def spare(refused: Job, waiting: Sequence[JobT]) -> list[JobT]:
    """Return the waiting jobs that would read the data that a job was refused for, and say that they are not started.

    Args:
        refused: The job.
        waiting: Jobs that are not started yet.
    """
    spared = [job for job in waiting if difference(job.config.data, refused.config.data) is None]
    if spared:
        log.error(
            "%s on the same data %s not started", plural(len(spared), "other job"), "is" if len(spared) == 1 else "are"
        )
    return spared


def all_refused(jobs: Sequence[dict[str, Any]]) -> bool:
    """Say of a sweep's recorded jobs whether the data of all was refused, so that there is nothing to compare."""
    return bool(jobs) and all(job.get("of_data") for job in jobs)


def log_failures(jobs: Sequence[Job]) -> None:
    """List the failed jobs, those with one reason together; nothing where that is the only thing that was said."""
    reasons: dict[str, list[str]] = {}
    for job in jobs:
        if job.outcome.get("exit_code"):
            reasons.setdefault(str(job.outcome["reason"]), []).append(f"#{job.number} {job.directory.name}")
    if len(reasons) == 1 and all_refused([job.outcome for job in jobs]):
        return
    for reason, names in reasons.items():
        log.error("failed: %s: %s", listed(names), reason)
