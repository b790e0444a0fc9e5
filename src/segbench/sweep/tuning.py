"""Equal tuning: every configuration of a sweep gets the same number of trials before its seeds are trained.

Candidates are a function of (``tuning.seed``, number), the same for every row, and what a trial scores is in its own
run directory. So there is no study to keep: started again, a sweep trains the trials that are missing, and chooses
what it would have chosen without the interruption.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.utils import filter_overrides
from omegaconf import DictConfig

from segbench.configuration.monitor import monitor_mode
from segbench.configuration.recorded import recorded_overrides
from segbench.errors import ConfigError, SegbenchError, StorageError
from segbench.runs.identity import HASH_LENGTH, run_id
from segbench.runs.tuning import FOLDER, Trial, Tuning, is_trial, read_row, read_trial, write_row
from segbench.sweep import finished
from segbench.sweep.fairness import TRAINED_ALIKE, Job, check_fair, check_seed, waiting
from segbench.sweep.objective import optimises
from segbench.sweep.space import Range, candidates, read_space
from segbench.words import listed, plural

log = logging.getLogger("segbench")


Compose = Callable[[int, list[str]], Any]
IsDone = Callable[[Path, DictConfig], bool]


@dataclass
class Row:
    """Jobs that are trained alike but for their seed, and the trials that are to choose their settings.

    Attributes:
        folder: Where the trials lie.
        space: What is tuned.
        jobs: As they were asked for.
        trials: In their order; the first has the settings as they were asked for.
        values: The overrides of each trial.
    """

    folder: Path
    space: dict[str, Range]
    jobs: list[Job]
    trials: list[Job]
    values: list[list[str]]


@dataclass
class Tuned:
    """What became of the jobs of tuned rows.

    Attributes:
        jobs: The directory of a job as it was asked for to the job with the settings that were chosen.
        refused: Why some of these cannot be trained, by their directories.
    """

    jobs: dict[Path, Any] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)

    def done_before(self, directory: Path, config: DictConfig) -> bool:
        """Return whether a job need not be started: its run is finished, or it is a trial that is over.

        Raises:
            SegbenchError: If nothing could be chosen for it.
        """
        if directory in self.refused:
            raise SegbenchError(self.refused[directory])
        return (_is_over if is_trial(config) else finished.done_before)(directory, config)


def require_none(config: DictConfig) -> None:
    """Refuse trials where nothing would train them: for a single run, or with a launcher of Hydra's own.

    Args:
        config: The configuration of a run or a sweep; a run of a tuned sweep names its row.

    Raises:
        ConfigError: Names the key and what to do.
    """
    if config.tuning.trials and not config.tuning.row:
        raise ConfigError(
            f"tuning.trials={config.tuning.trials}: trials are trained before the runs of a sweep; add -m, with"
            " hydra/launcher=processes"
        )


def plan(jobs: Sequence[Any], compose: Compose) -> list[Row]:
    """Return the rows to tune, with their trials; none without ``tuning.trials``.

    Args:
        jobs: The jobs of the sweep.
        compose: Makes a job of a number and overrides.

    Raises:
        ConfigError: If trials would not be fair, or would see the images that runs are tested on.
    """
    rows: dict[Path, Row] = {}
    tuned = [(job, read_space(job.config)) for job in jobs if job.config.tuning.trials]
    keys, seeds = {key for _, space in tuned for key in space}, {job.config.seed for job in jobs}
    swept = {key for key in keys if len({_typed(job, key) for job in jobs}) > 1}
    for job, space in tuned:
        asked_by = f"tuning.trials={job.config.tuning.trials}"
        if optimises(job.config):
            raise ConfigError(f"{asked_by}: the sweeper tunes by itself; leave one of the two out")
        check_fair(job.config, space, seeds, asked_by, swept)
        asked = job.config.tuning
        alike = compose(job.number, [*job.overrides, *TRAINED_ALIKE, f"seed={asked.seed}"])
        check_seed(job.config, alike.config, asked_by)
        folder = _folder(job, alike, space)
        rows.setdefault(folder, Row(folder, space, [], [], [])).jobs.append(job)
    number = 0
    for row in rows.values():
        _add_trials(row, compose, number)
        number += len(row.trials)
    return list(rows.values())


def untuned(rows: Sequence[Row]) -> list[Job]:
    """Return the jobs of rows as they are named until their settings are chosen."""
    return [waiting(job) for row in rows for job in row.jobs]


def tune(rows: Sequence[Row], compose: Compose, run_all: Callable[[list[Any], IsDone], None]) -> Tuned:
    """Train the trials that are missing, and give the jobs of each row what its best trial has.

    Args:
        rows: Of :func:`plan`.
        compose: Makes a job of a number and overrides.
        run_all: Trains jobs but those that a function says are done.
    """
    tuned = Tuned()
    if not rows:
        return tuned
    trials = [trial for row in rows for trial in row.trials]
    log.info("tuning of %s by %s in all", plural(len(rows), "configuration"), plural(len(trials), "trial"))
    for row in rows:
        _record(row, {})
    run_all(trials, _is_over)
    for row in rows:
        _choose(row, compose, tuned)
    return tuned


def _typed(job: Job, key: str) -> tuple[str, ...]:
    """Return the overrides of a key."""
    return tuple(text for text in job.overrides if text.lstrip("+").startswith(f"{key}="))


def _folder(job: Job, alike: Job, space: dict[str, Range]) -> Path:
    choices = job.config.hydra.runtime.choices
    name = "-".join(str(choices[group]) for group in ("data", "model", "loss"))
    told = [run_id(alike.config), job.config.tuning.epochs, [[key, space[key].described()] for key in sorted(space)]]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:HASH_LENGTH]
    return Path(str(job.config.hydra.sweep.dir)) / FOLDER / f"{name}-{digest}"


def _add_trials(row: Row, compose: Compose, before: int) -> None:
    """Add a row's trials, numbered on from so many of other rows, as the log tells them apart by their numbers."""
    first = row.jobs[0]
    asked = first.config.tuning
    epochs = [f"trainer.max_epochs={asked.epochs}"] if asked.epochs else []
    found = dict[Path, Job]()
    # The settings as they are, which a candidate may equal, and then the candidates.
    points = [{}, *candidates(row.space, asked.trials, asked.seed)]
    for values in points:
        if len(found) == asked.trials:
            break
        given = [f"{key}={value}" for key, value in values.items()]
        fixed = [*TRAINED_ALIKE, f"seed={asked.seed}", *epochs]
        trial = compose(before + len(found) + 1, [*first.overrides, *fixed, *given, f"tuning.row={row.folder.name}"])
        trial = trial.moved(row.folder / trial.directory.name)
        if found.setdefault(trial.directory, trial) is trial:
            row.values.append(given)
    row.trials = list(found.values())
    if len(row.trials) < asked.trials:
        log.warning("%s: the space has only %s", row.folder.name, plural(len(row.trials), "different trial"))


def _is_over(directory: Path, config: DictConfig) -> bool:
    """Say whether a trial need not be started: it is finished or pruned, or failed by its own settings."""
    if finished.done_before(directory, config):
        return True
    return not config.rerun and read_trial(directory).over


def _record(row: Row, runs: dict[str, tuple[str, ...]]) -> None:
    """Write what the row's trials cannot tell."""
    monitor = str(row.jobs[0].config.trainer.monitor)
    space = {key: limits.described() for key, limits in row.space.items()}
    trials = tuple(Trial(trial.directory.name) for trial in row.trials)
    try:
        write_row(row.folder, Tuning("", monitor, monitor_mode(monitor) == "max", space, trials, runs))
    except OSError as error:
        raise StorageError(f"paths.outputs: cannot write {row.folder}: {error.strerror or error}") from error


def _choose(row: Row, compose: Compose, tuned: Tuned) -> None:
    """Compose the row's jobs with the settings of its best trial, or say why there is none."""
    found = read_row(row.folder)
    if reason := _undecided(row, found):
        for job in row.jobs:
            tuned.jobs[job.directory] = there = waiting(job)
            tuned.refused[there.directory] = reason
        return
    best = found.chosen
    assert best is not None
    number = found.trials.index(best)
    given = [*row.values[number], f"tuning.row={row.folder.name}"]
    chosen = {job.directory: compose(job.number, [*job.overrides, *given]) for job in row.jobs}
    runs = {
        chosen[job.directory].directory.name: tuple(recorded_overrides(filter_overrides(job.overrides)))
        for job in row.jobs
    }
    _record(row, runs)
    tuned.jobs |= chosen
    _say(row, found, number)


def _undecided(row: Row, found: Tuning) -> str:
    """Return why nothing can be chosen; empty where it can."""
    for trial, job in zip(found.trials, row.trials, strict=True):
        if not trial.over:
            reason = job.outcome.get("reason") or trial.reason
            return f"not tuned, as trial {trial.name} is not over: {reason}; the same command goes on with it"
    if found.chosen is None:
        return f"not tuned, as all {len(found.trials)} trials failed: {found.trials[0].reason}"
    return ""


def _say(row: Row, found: Tuning, number: int) -> None:
    best = found.trials[number]
    values = ", ".join(row.values[number]) or "the settings as they are"
    log.info(
        "%s: trial %d of %d is best by %s (%.4f): %s",
        row.folder.name, number + 1, len(found.trials), found.monitor, best.score, values,
    )  # fmt: skip
    if failed := found.failed:
        log.warning(
            "%s: %s of the budget failed: %s", row.folder.name, plural(len(failed), "trial"),
            listed([f"{trial.name} ({trial.reason})" for trial in failed]),
        )  # fmt: skip
