"""One experiment trained look by look: which jobs each look needs, whether the budget allows them, what was decided."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from hydra.core.utils import JobReturn

from segbench.errors import ConfigError, StorageError
from segbench.runs.directory import RunDirectory
from segbench.runs.files import read_json
from segbench.runs.planned_looks import FILE, Dropped, Look, Plan, PlannedRow, PlannedRun, read_plan
from segbench.runs.readers import DamagedError, named
from segbench.words import duration, listed, plural

log = logging.getLogger("segbench")

Launch = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]]
_ENDS = {
    "decided": "the question is decided",
    "looks": "the looks are over and the question is not decided",
    "untested": "nothing can be tested here, which further seeds would not change",
}


@dataclass(frozen=True)
class _Job:
    row: int
    seed: int


class Looking:
    """A plan and what is left of it.

    Args:
        folder: The experiment's folder.
        looks: Number of seeds at each look.
        first: The first seed.
        hours: What the runs may take together; None for no limit.
        rows: Each row and its overrides, without the seed.
        asked: What is to be decided.

    Raises:
        ConfigError: If runs of another plan lie there.
        StorageError: If the plan cannot be read or written.
    """

    def __init__(
        self,
        folder: Path,
        looks: tuple[int, ...],
        first: int,
        hours: float | None,
        rows: Sequence[tuple[PlannedRow, list[str]]],
        asked: tuple[str, ...],
    ) -> None:
        # Imported here: reports take a second that no other sweep needs to wait for before its jobs.
        from segbench.reporting.statistics.sequential import rates

        self.folder, self.hours = folder, hours
        self._overrides = {row.name: overrides for row, overrides in rows}
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        planned = tuple(row for row, _ in rows)
        new = Plan(begun=begun, looks=looks, first=first, rates=rates(looks), asked=asked, rows=planned)
        self.plan = _begun(folder, new)
        self._launched = set[_Job]()
        self._write()

    def train(self, launch: Launch) -> list[Sequence[JobReturn]]:
        """Train and look until the plan ends.

        Args:
            launch: Trains jobs: their overrides, and the number of the first.

        Returns:
            What each launch came to.

        Raises:
            SegbenchError: If a job's configuration is invalid, the runs cannot be compared, or the plan not be written.
        """
        returns = list[Sequence[JobReturn]]()
        # Finished ones belong to the record of this sweep, and so to its report, whether or not they are needed here.
        kept = [_Job(run.row, run.seed) for run in self.plan.runs if run.failed is None]
        while self.plan.end is None:
            jobs = self._next()
            if excess := self._over_budget(jobs):
                self._write(end="budget")
                log.warning("decide: stopped, as %s", excess)
                break
            # How long a run takes is known after one of each row.
            first = min((job.seed for job in jobs), default=0)
            unknown = self.hours is not None and not any(run.seconds for run in self.plan.runs)
            now = [job for job in jobs if job.seed == first] if unknown else jobs
            returns.append(self._launch(launch, [*kept, *(job for job in now if job not in kept)]))
            kept = []
            if not self._next():
                self._look()
        if kept:
            returns.append(self._launch(launch, kept))
        log.info("decide: %s in all", duration(self.plan.spent))
        return returns

    def _next(self) -> list[_Job]:
        """Return the jobs that the coming look needs and that were not launched yet, seed by seed."""
        out, seeds = self.plan.dropped, self.plan.known_at(len(self.plan.taken) + 1)
        needed = [_Job(row, seed) for seed in seeds for row in range(len(self.plan.rows)) if row not in out]
        return [job for job in needed if job not in self._launched]

    def _over_budget(self, jobs: Sequence[_Job]) -> str:
        """Return why jobs cannot be trained in the time that is left, as the end of a sentence; else nothing."""
        done = {(run.row, run.seed) for run in self.plan.runs if run.failed is None}
        missing = [job for job in jobs if (job.row, job.seed) not in done]
        times = {run: run.seconds for run in self.plan.runs if run.failed is None and run.seconds}
        if self.hours is None or not missing or not times:
            return ""
        own = [[seconds for run, seconds in times.items() if run.row == row] for row in range(len(self.plan.rows))]
        anyone = fmean(times.values())
        needed = sum(fmean(own[job.row] or [anyone]) for job in missing)
        if self.plan.spent + needed <= self.hours * 3600:
            return ""
        return (
            f"{self._coming} would take about {duration(needed)} more, and {duration(self.plan.spent)} of"
            f" decide.hours={self.hours:g} are spent"
        )

    @property
    def _coming(self) -> str:
        number = len(self.plan.taken)
        return f"look {number + 1} of {len(self.plan.looks)} ({self.plan.looks[number]} seeds)"

    def _launch(self, launch: Launch, jobs: Sequence[_Job]) -> Sequence[JobReturn]:
        """Train jobs and note what became of them."""
        overrides = [[*self._overrides[self.plan.rows[job.row].name], f"seed={job.seed}"] for job in jobs]
        results = launch(overrides, len(self._launched))
        self._launched.update(jobs)
        record = (read_json(self.folder / "sweep.json") or {}).get("jobs") or []
        outcomes = {outcome["directory"]: outcome for outcome in record}
        runs = {(run.row, run.seed): run for run in self.plan.runs}
        for job, result in zip(jobs, results, strict=True):
            name, key = Path(str(result.working_dir)).name, (job.row, job.seed)
            runs[key] = self._noted(job, name, outcomes[name], runs.get(key))
        self._write(runs=tuple(runs[key] for key in sorted(runs)))
        return results

    def _noted(self, job: _Job, name: str, outcome: dict[str, Any], before: PlannedRun | None) -> PlannedRun:
        failed = str(outcome["reason"]) if outcome["exit_code"] else None
        taken = before.seconds if before else 0.0
        if not outcome["skipped"]:
            known, seconds = False, taken + outcome["seconds"]
        elif before:
            known, seconds = before.known, taken
        else:
            run = RunDirectory(self.folder / name)
            status, cost = (read_json(run.path / "status.json") or {}), (read_json(run.summary) or {}).get("cost") or {}
            known, seconds = str(status.get("finished")) < self.plan.begun, cost.get("wall_seconds") or 0.0
        return PlannedRun(row=job.row, seed=job.seed, directory=name, seconds=seconds, known=known, failed=failed)

    def _look(self) -> None:
        """Ask the question of what is trained, and plan on by the answer."""
        # Imported here: it imports the whole of reporting, which is needed only now.
        from segbench.reporting.look import judge

        plan, said = self.plan, self._coming
        going = [row for row in range(len(plan.rows)) if row not in plan.dropped]
        failed = {row: [run for run in plan.runs if run.row == row and run.failed is not None] for row in going}
        done = {row: [run for run in plan.runs if run.row == row and run.failed is None] for row in going}
        out = {row: f"no run is finished: {failed[row][0].failed}" for row in going if not done[row]}
        asked = plan.model_copy(update={"taken": (*plan.taken, Look(dropped=_dropped(out)))})
        found = judge(self.folder, [run.directory for run in plan.runs if run.failed is None], asked)
        for row in (row for row in going if row not in out):
            if reasons := [found.settled[run.directory] for run in done[row] if run.directory in found.settled]:
                out[row] = reasons[0]
        names = tuple(run.directory for row in going for run in failed[row])
        # Where seeds failed, others may show what these would have.
        untested = not found.tested and (not names or len(going) - len(out) < 2)
        look = Look(dropped=_dropped(out), decided=found.decided, untested=untested, failed=names)
        taken = (*plan.taken, look)
        end = next((name for name, holds in (
            ("decided", found.decided), ("untested", untested), ("looks", len(taken) == len(plan.looks))
        ) if holds), None)  # fmt: skip
        self._write(taken=taken, end=end)
        for row, reason in out.items():
            log.info("decide: no more seeds for %s: %s", plan.rows[row].label, reason)
        log.info("decide: %s: %s", said, _ENDS[end] if end else f"{plural(len(going) - len(out), 'row')} go on")

    def _write(self, **changes: Any) -> None:
        self.plan = self.plan.model_copy(update=changes)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.plan.write(self.folder)
        except OSError as error:
            raise StorageError(
                f"paths.outputs: cannot write {self.folder / FILE}: {error.strerror or error}"
            ) from error


def _dropped(out: dict[int, str]) -> tuple[Dropped, ...]:
    return tuple(Dropped(row=row, reason=reason) for row, reason in sorted(out.items()))


def _begun(folder: Path, new: Plan) -> Plan:
    """Return the plan that was begun in a folder, to go on with, or the new one.

    Raises:
        ConfigError: If it is another one and has runs.
        StorageError: If it cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return new
    try:
        old = named(path, read_plan)
    except DamagedError as error:
        raise StorageError(f"{folder}: {error}; restore it, or delete it to plan anew") from None
    others = [what for what in _asked(old) if what not in _asked(new)]
    if not others:
        # A budget may have grown, and what failed is tried again, for the look that lacked it.
        again = bool(old.taken) and bool(old.taken[-1].failed)
        end = None if again or old.end == "budget" else old.end
        return old.model_copy(update={"taken": old.taken[:-1] if again else old.taken, "end": end})
    if any((folder / name).is_dir() for name in _names(old) | {run.directory for run in old.runs}):
        raise ConfigError(
            f"decide=true: {folder} was begun with {'; '.join(others)}, and its error rate holds for that plan; go on"
            " with it, or begin elsewhere (paths.outputs=)"
        )
    return new


def _asked(plan: Plan) -> list[str]:
    """Return what may not change once runs were looked at, in words."""
    rows = sorted(plan.rows, key=lambda row: row.name)
    # By their names, which depend on all settings, and not by the words.
    mark = hashlib.sha256(" ".join(row.name for row in rows).encode()).hexdigest()[:8]
    return [
        f"looks at {listed([str(count) for count in plan.looks], 9)} seeds" + f" from {plan.first}" * bool(plan.first),
        f"the rows {listed([row.label for row in rows], 9)} ({mark})",
        f"the question {', '.join(plan.asked) or '(none)'}",
    ]


def _names(plan: Plan) -> set[str]:
    return {row.name for row in plan.rows}
