"""A row's tuning on disk: the folder ``tuning/<row>`` beside the runs, with a run directory for each trial.

Values and scores are those of the trials themselves, and the choice follows from them, so that no record can disagree
with what was trained. ``row.json`` adds what they cannot tell: how many there are to be, from which ranges, and which
runs were trained with what they chose.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from omegaconf import DictConfig

from segbench.runs.directory import PRUNED
from segbench.runs.files import write_json
from segbench.runs.readers import DamagedError, config_file, json_file, named, summary_file
from segbench.runs.settings import flatten
from segbench.runs.study import Study, read_study
from segbench.words import visible

FOLDER, ROW = "tuning", "row.json"
# Behind the name of a run whose settings are not chosen yet: with those as they are it may be another, and finished.
UNTUNED = "-untuned"
LONGEST_REASON = 500
# How a trial ends by its own settings: a bug or a library's refusal, a bad combination or too little memory, a loss
# that diverges, the kernel's SIGKILL. What else stops one (the disk, the data, a signal) says nothing of its settings.
_BY_ITSELF = (1, 2, 4, 137)


def is_trial(cfg: DictConfig) -> bool:
    """Say whether a configuration is a trial's: of a row, with the seed that only its trials have."""
    return bool(cfg.tuning.row) and cfg.seed == cfg.tuning.seed


@dataclass(frozen=True)
class Trial:
    """One trial of a row.

    Attributes:
        name: Name of its directory.
        settings: Its configuration as dotted keys to values; empty where it could not be read.
        score: Its best validation score; None without a finite one.
        reason: Why it has none; empty with one.
        exit_code: Of a trial that failed; 0 otherwise.
        over: Whether it counts in the budget: it has a score, or none by its own settings.
        pruned: Whether it was stopped before its last epoch, as it was hopeless.
    """

    name: str
    settings: Mapping[str, Hashable] = field(default_factory=dict)
    score: float | None = None
    reason: str = ""
    exit_code: int = 0
    over: bool = True
    pruned: bool = False


@dataclass(frozen=True)
class Tuning:
    """The trials of one row and what they chose.

    Attributes:
        row: Name of the folder.
        monitor: The validation score that chose.
        higher: Whether it is better when higher.
        space: The tuned keys, each with its range as in ``tuning.space``, or with the choices among which it is.
        trials: In their order; without a study the first has the settings as they were configured.
        runs: The runs that have what was chosen, by the names of their directories, with the overrides as they were
            typed.
        study: How Optuna proposed them; None where they do not depend on each other.
    """

    row: str
    monitor: str
    higher: bool
    space: Mapping[str, Sequence[Any]]
    trials: tuple[Trial, ...]
    runs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    study: Study | None = None

    @property
    def chosen(self) -> Trial | None:
        """The best trial, of equal ones the first; None where none has a score."""
        scored = [(trial.score, trial) for trial in self.trials if trial.score is not None]
        if not scored:
            return None
        return (max if self.higher else min)(scored, key=lambda pair: pair[0])[1]

    @property
    def failed(self) -> list[Trial]:
        """The trials without a score, but those that were pruned."""
        return [trial for trial in self.trials if trial.score is None and not trial.pruned]

    @property
    def pruned(self) -> list[Trial]:
        """The trials that were stopped as they were hopeless."""
        return [trial for trial in self.trials if trial.pruned]

    @property
    def followers(self) -> set[str]:
        """The keys in which the trials differ: those of the space, and what is built from them."""
        known = [trial.settings for trial in self.trials if trial.settings]
        keys = {key for settings in known for key in settings if key.partition(".")[0] != "tuning"}
        return {*self.space, *(key for key in keys if len({settings.get(key) for settings in known}) > 1)}


def write_row(folder: Path, row: Tuning) -> None:
    """Write ``row.json``; the runs that it names already stay, also those that another sweep adds meanwhile.

    Raises:
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".row.lock"):
        try:
            before = read_row(folder, settings=False).runs
        except DamagedError:
            before = {}
        write_json(
            folder / ROW,
            {
                "monitor": row.monitor,
                "better": "max" if row.higher else "min",
                "space": {key: list(limits) for key, limits in row.space.items()},
                "trials": [trial.name for trial in row.trials],
                "runs": {name: list(overrides) for name, overrides in {**before, **row.runs}.items()},
                **({} if row.study is None else {"study": row.study.described()}),
            },
        )


def read_row(folder: Path, settings: bool = True) -> Tuning:
    """Read a row's folder; a trial that cannot be read has no score, and says why.

    Args:
        folder: The row's folder.
        settings: Whether the trials' configurations are read, which takes most of the time.

    Raises:
        DamagedError: If ``row.json`` is missing or damaged.
    """

    def read(path: Path) -> Tuning:
        value = json_file(path)
        return Tuning(
            row=folder.name,
            monitor=visible(str(value["monitor"])),
            higher=value["better"] == "max",
            space={visible(str(key)): _range(limits) for key, limits in value["space"].items()},
            # Names, and no way out of the folder.
            trials=tuple(read_trial(folder / Path(str(name)).name, settings) for name in value["trials"]),
            runs={Path(str(name)).name: tuple(map(str, overrides)) for name, overrides in value["runs"].items()},
            study=read_study(value["study"]) if "study" in value else None,
        )

    return named(folder / ROW, read)


def _range(limits: Sequence[Any]) -> tuple[Any, ...]:
    if are_choices(limits):
        return tuple(map(visible, limits))
    low, high, *words = limits
    return (float(low), float(high), *(visible(str(word)) for word in words))


def are_choices(limits: Sequence[Any]) -> bool:
    """Say whether a key of a space has these choices, as texts, and no range."""
    return all(type(limit) is str for limit in limits)


def read_trial(directory: Path, with_settings: bool = True) -> Trial:
    """Read one trial's directory; damage is a reason for no score."""
    if not directory.exists():
        return Trial(directory.name, reason="missing", over=False)
    settings: dict[str, Hashable] = {}
    try:
        status = json_file(directory / "status.json")
        settings = flatten(config_file(directory / "config.yaml")) if with_settings else {}
        if status["state"] == "done":
            return _scored(directory, settings)
    except DamagedError as damage:
        return Trial(directory.name, settings, reason=str(damage), over=False)
    reason = visible(str(status.get("reason") or "failed"))[:LONGEST_REASON]
    if status["state"] == PRUNED:
        return Trial(directory.name, settings, reason=reason, pruned=True)
    if status["state"] != "failed":
        return Trial(directory.name, settings, reason="not finished", over=False)
    code = status.get("exit_code")
    code = code if type(code) is int else 1
    return Trial(directory.name, settings, None, reason, code, code in _BY_ITSELF)


def _scored(directory: Path, settings: Mapping[str, Hashable]) -> Trial:
    best = summary_file(directory / "summary.json").get("best")
    value = best.get("value") if isinstance(best, dict) else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return Trial(directory.name, settings, reason="no finite validation score")
    return Trial(directory.name, settings, float(value))
