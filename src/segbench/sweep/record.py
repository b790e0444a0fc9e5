"""What a sweep leaves beside its runs: the plan of its jobs, before any is started, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from hydra.core.utils import filter_overrides
from omegaconf import DictConfig

from segbench.configuration.choices import chosen
from segbench.configuration.recorded import recorded_overrides
from segbench.runs import history
from segbench.runs.files import read_json, write_json


class Job(Protocol):
    """One job of a sweep: its overrides, its configuration and its run directory."""

    overrides: list[str]
    config: DictConfig
    directory: Path


def plan_jobs(folder: Path, jobs: Sequence[Job]) -> None:
    """Add jobs to the plan of an experiment's folder (:mod:`segbench.runs.history`).

    Raises:
        StorageError: If it cannot be written.
    """
    planned = [
        {
            "directory": job.directory.name,
            "seed": job.config.seed,
            "choices": chosen(job.config.hydra.runtime.choices),
            "overrides": recorded_overrides(filter_overrides(job.overrides)),
        }
        for job in jobs
    ]
    history.plan(folder, planned)


def earlier_jobs(record: Path, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Return what the sweep's earlier batches recorded, without the runs that are tried again."""
    again = {job.directory.name for job in jobs}
    earlier = (read_json(record) or {}).get("jobs")
    known = [job for job in earlier if isinstance(job, dict)] if isinstance(earlier, list) else []
    return [job for job in known if job.get("directory") not in again]


def write_record(record: Path, jobs: Sequence[dict[str, Any]]) -> None:
    """Write how the jobs of the latest sweep ended, in place of what an earlier one left."""
    record.parent.mkdir(parents=True, exist_ok=True)
    write_json(record, {"jobs": list(jobs)})
