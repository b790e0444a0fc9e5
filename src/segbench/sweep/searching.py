"""One search: its record, the trials that are missing, and the jobs that get what the best of them has."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from hydra.core.utils import filter_overrides
from omegaconf import DictConfig

from segbench.configuration.monitor import monitor_mode
from segbench.configuration.recorded import recorded_overrides
from segbench.errors import ConfigError, SegbenchError, StorageError
from segbench.runs.identity import HASH_LENGTH, run_id
from segbench.runs.optuna_study import propose
from segbench.runs.readers import DamagedError
from segbench.runs.study import Proposal, Study, Value
from segbench.runs.tuning import FOLDER, ROW, Trial, Tuning, read_row, write_row
from segbench.sweep.fairness import TRAINED_ALIKE, check_fair, check_seed, waiting
from segbench.sweep.record import plan_jobs
from segbench.sweep.searched import Searched
from segbench.sweep.space import check_keys, settings
from segbench.words import plural

log = logging.getLogger("segbench")
NAME = "hydra/sweeper=optuna"
_LOCK = ".search.lock"
Launch = Callable[[Sequence[Sequence[str]], int], Any]


@dataclass
class Job:
    """A job as it would be started."""

    overrides: list[str]
    config: DictConfig
    directory: Path

    def moved(self, directory: Path) -> Job:
        """Return the job with another run directory."""
        return replace(self, directory=directory)


class Searching:
    """A search and what is left of it.

    Args:
        searched: What it is asked for.
        study: Its sampler and pruner.
        compose: Makes a job of overrides.

    Raises:
        ConfigError: If the search would not be fair, or what is open cannot be tuned.
        StorageError: If the record cannot be read or written.
    """

    def __init__(self, searched: Searched, study: Study, compose: Callable[[Sequence[str]], Job]) -> None:
        self._compose = compose
        self._seeds = [[text] for text in searched.seeds] or [[]]
        # As they are named until their settings are chosen.
        self._asked = [compose([*searched.fixed, *searched.first, *seed]) for seed in self._seeds]
        config = self._asked[0].config
        self.searched = searched = searched.fitted(settings(config))
        tuning = config.tuning
        epochs = [f"trainer.max_epochs={tuning.epochs}"] if tuning.epochs else []
        self._of_trials = [*searched.fixed, *TRAINED_ALIKE, *epochs, f"seed={tuning.seed}"]
        alike = compose([*self._of_trials, *searched.first])
        _check(searched, [job.config for job in self._asked], alike.config)
        study = replace(study, seed=tuning.seed)
        told = [run_id(alike.config), searched.space, study.described()]
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:HASH_LENGTH]
        choices = config.hydra.runtime.choices
        parts = ["search" if group in searched.space else str(choices[group]) for group in ("data", "model", "loss")]
        self.folder = Path(str(config.hydra.sweep.dir)) / FOLDER / "-".join([*parts, digest])
        monitor, self._rerun = str(config.trainer.monitor), bool(config.rerun)
        space: dict[str, Sequence[Any]] = dict(searched.space)
        if self._rerun or not (self.folder / ROW).exists():
            self._write(Tuning(self.folder.name, monitor, monitor_mode(monitor) == "max", space, (), study=study))

    def train(self, launch: Launch, count: int, together: int) -> None:
        """Train the trials that are missing.

        Args:
            launch: Trains jobs: their overrides, and the number of the first.
            count: Trials in all.
            together: How many are proposed and trained together.

        Raises:
            SegbenchError: If one was stopped from outside: the search goes on with it when it is started again.
        """
        plan_jobs(self.folder.parent.parent, [waiting(job) for job in self._asked])
        row, study = self._read()
        log.info("search of %s by %s in %s", plural(count, "trial"), study.words, self.folder)
        again = set(range(count)) if self._rerun else set[int]()
        while True:
            # The same search may go on elsewhere, in one folder: what is proposed is the same, and is noted once.
            with FileLock(self.folder / _LOCK):
                row, study = self._read()
                left = [number for number, trial in enumerate(row.trials) if number in again or not trial.over]
                if not left:
                    found = propose(row, self.folder, min(together, max(count - len(row.trials), 0)))
                    left = list(range(len(row.trials), len(row.trials) + len(found)))
                    row, study = self._add(row, study, found)
            if not left:
                break
            batch = left[:together]
            again.difference_update(batch)
            jobs = [self._compose(self._trial(study.proposals[number].values)) for number in batch]
            launch([job.overrides for job in jobs], batch[0])
            row, study = self._read()
            self._say(row, study, batch)
        if len(row.trials) < count:
            log.warning("%s: the space has only %s", self.folder.name, plural(len(row.trials), "different trial"))

    def chosen(self) -> list[list[str]]:
        """Return the overrides of the jobs that get what the best trial has, and note them in the record.

        Raises:
            SegbenchError: If all trials failed.
        """
        row, study = self._read()
        best = row.chosen
        if best is None:
            raise SegbenchError(f"{self.folder.name}: all {len(row.trials)} trials failed: {row.trials[0].reason}")
        number = row.trials.index(best)
        values = self._given(study.proposals[number].values)
        log.info(
            "%s: trial %d of %d is best by %s (%.4f): %s; %d pruned, %d failed",
            self.folder.name, number + 1, len(row.trials), row.monitor, best.score, ", ".join(values), len(row.pruned),
            len(row.failed),
        )  # fmt: skip
        asked = [[*self.searched.fixed, *seed] for seed in self._seeds]
        jobs = [self._compose([*each, *values, f"tuning.row={self.folder.name}"]) for each in asked]
        typed = [tuple(recorded_overrides(filter_overrides(each))) for each in asked]
        runs = {job.directory.name: texts for job, texts in zip(jobs, typed, strict=True)}
        with FileLock(self.folder / _LOCK):
            self._write(replace(self._read()[0], runs=runs))
        return [job.overrides for job in jobs]

    def _given(self, values: Mapping[str, Value]) -> list[str]:
        return [f"{self.searched.typed[key]}={value}" for key, value in values.items()]

    def _trial(self, values: Mapping[str, Value]) -> list[str]:
        return [*self._of_trials, *self._given(values), f"tuning.row={self.folder.name}"]

    def _add(self, row: Tuning, study: Study, found: Sequence[Mapping[str, Value]]) -> tuple[Tuning, Study]:
        """Note further trials in the record, before any of them is started."""
        trials = [Trial(self._compose(self._trial(values)).directory.name, over=False) for values in found]
        proposals = [Proposal(values, len(row.trials)) for values in found]
        study = replace(study, proposals=(*study.proposals, *proposals))
        row = replace(row, trials=(*row.trials, *trials), study=study)
        self._write(row)
        return row, study

    def _say(self, row: Tuning, study: Study, batch: Sequence[int]) -> None:
        """Log how trials ended.

        Raises:
            SegbenchError: If one did not end.
        """
        for number in batch:
            trial, values = row.trials[number], ", ".join(self._given(study.proposals[number].values))
            if not trial.over:
                raise SegbenchError(
                    f"{NAME}: trial {trial.name} is not over: {trial.reason}; the same command goes on with it"
                )
            end = trial.reason if trial.score is None else f"{row.monitor} {trial.score:.4f}"
            log.info("trial %d (%s): %s%s", number + 1, values, end, ", the best" if trial == row.chosen else "")

    def _read(self) -> tuple[Tuning, Study]:
        try:
            row = read_row(self.folder, settings=False)
        except DamagedError as error:
            raise StorageError(f"{self.folder}: {error}; restore it, or delete it to search anew") from None
        assert row.study is not None
        return row, row.study

    def _write(self, row: Tuning) -> None:
        try:
            write_row(self.folder, row)
        except OSError as error:
            raise StorageError(f"paths.outputs: cannot write {self.folder}: {error.strerror or error}") from error


def _check(searched: Searched, asked: Sequence[DictConfig], trial: DictConfig) -> None:
    """Refuse a search that would not be fair, or of what cannot be tuned."""
    first = asked[0]
    if first.tuning.trials or first.tuning.space:
        key = "trials" if first.tuning.trials else "space"
        raise ConfigError(
            f"tuning.{key}: {NAME} has hydra.sweeper.n_trials and the ranges of the keys themselves; leave one of the"
            " two out"
        )
    check_keys(searched.space, first)
    for config in asked:
        check_fair(config, searched.space, [other.seed for other in asked], NAME)
        check_seed(config, trial, NAME)
