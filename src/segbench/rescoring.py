"""Adds scores to a finished run: its best weights are evaluated again, without training.

Scores are not part of a run's identity, as they cannot change its training. So a run that was finished without them is
still the requested run; it only lacks columns of ``scores.parquet`` and values of ``summary.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from segbench import environment
from segbench.configuration.recorded import is_name, recorded
from segbench.errors import CheckpointError, ConfigError
from segbench.run_inputs import score_code
from segbench.runs.directory import BEST, RunDirectory
from segbench.runs.files import write_json, write_yaml
from segbench.runs.readers import DamagedError, config_file, named, summary_file
from segbench.runs.scores_file import read_columns, read_frame, read_scores
from segbench.runs.settings import flatten
from segbench.runs.split_scores import About, SplitScores


def lacking_scores(run: RunDirectory, cfg: DictConfig) -> list[str]:
    """Return the requested scores that a finished run lacks, or has with other options or other code.

    Raises:
        CheckpointError: If the run's files do not say which scores it has.
        ConfigError: If a score's class cannot be found.
    """
    stored, code = _plain_scores(_stored(run)), score_code(cfg)
    known = _read(run, run.summary, summary_file).get("scored_by") or {} if code else {}
    return [
        name
        for name, settings in recorded(cfg)["scores"].items()
        if stored.get(name) != settings or (name in code and known.get(name) != code[name])
    ]


def scoring_configuration(run: RunDirectory, cfg: DictConfig) -> DictConfig:
    """Return a configuration with both the scores that a finished run has and the requested ones.

    The sources of the initial weights are removed, as the task gets the best weights.

    Raises:
        ConfigError: If a score that is not requested came from the environment: only the variable's name is recorded.
    """
    for name, settings in _plain_scores(_stored(run)).items():
        hidden = [key for key, value in flatten({name: settings}).items() if name not in cfg.scores and is_name(value)]
        if hidden:
            raise ConfigError(
                f"scores.{hidden[0]}: came from the environment, of which a run records the name alone; ask for {name}"
                " too, as the run was trained with it"
            )
    return _with(cfg, scores=_plain_scores(_stored(run)) | _plain_scores(cfg), init_from=None, freeze=None)


@dataclass(frozen=True)
class Scored:
    """The scores of a finished run: its splits, and the columns of its file that belong to no declared score."""

    splits: Mapping[str, SplitScores]
    columns: tuple[str, ...]


def stored_scores(run: RunDirectory) -> Scored:
    """Return the scores of a finished run.

    Raises:
        CheckpointError: If its scores file is missing or damaged.
    """
    splits = _read(run, run.scores, read_scores)
    about, columns = _read(run, run.scores, read_columns)
    # Columns of declared scores may be replaced: the declaration may have changed, or an evaluation was killed.
    declared = {column for score in about.scores for column in score.columns}
    return Scored(splits, tuple(column for column in columns if column not in declared))


def require_best(run: RunDirectory, lacking: list[str]) -> None:
    """Check that a run still has its best weights.

    Raises:
        CheckpointError: If not; says what to do.
    """
    if not (path := run.checkpoints / BEST).is_file():
        raise CheckpointError(f"{path}: gone, so {_asked(lacking)} cannot be added; rerun=true trains the run again")


def require_same(run: RunDirectory, before: Scored, table: pd.DataFrame, about: About, lacking: list[str]) -> None:
    """Check that a new evaluation has the same predictions as the stored one, so that their scores belong together.

    Args:
        run: The finished run.
        before: Its stored scores.
        table: The rows of the new evaluation.
        about: The meaning of their columns.
        lacking: The requested scores.

    Raises:
        CheckpointError: If any image's result has changed, or a column would be lost.
    """
    now = read_frame(table, about)
    pairs = [(scores, now[name]) for name, scores in before.splits.items() if name in now]
    if before.splits.keys() != now.keys() or not all(_same(one, two) for one, two in pairs):
        raise CheckpointError(
            f"{run.path}: its best weights no longer give the stored predictions (another machine or other versions?),"
            f" so {_asked(lacking)} cannot be added and it stays as it was; rerun=true trains it again"
        )
    if lost := [column for column in before.columns if column not in table]:
        raise CheckpointError(
            f"{run.path}: the column {lost[0]} of its scores would be lost, so {_asked(lacking)} cannot be added and it"
            " stays as it was; rerun=true trains it again"
        )


def _same(one: SplitScores, two: SplitScores) -> bool:
    # Own code that has changed makes other columns of the same predictions.
    return one.same_images(two) and one.same(two, columns=False) and (one.groups, one.sizes) == (two.groups, two.sizes)


def record_scores(run: RunDirectory, cfg: DictConfig, found: dict[str, Any]) -> None:
    """Update a run's summary and configuration after its scores file has been written.

    The configuration comes last, so that a run that is killed before is evaluated again.

    Args:
        run: The finished run.
        cfg: The configuration of the evaluation.
        found: The summary's entries: ``scores``, ``convention``, ``scored_by``.
    """
    again = {"git": environment.git_state(), "versions": environment.versions()}
    write_json(run.summary, _read(run, run.summary, summary_file) | found | {"scored_again": again})
    write_yaml(run.path / "config.yaml", _stored_settings(run) | {"scores": recorded(cfg)["scores"]})


def _stored(run: RunDirectory) -> DictConfig:
    cfg = OmegaConf.create(_stored_settings(run))
    assert isinstance(cfg, DictConfig)
    return cfg


def _stored_settings(run: RunDirectory) -> dict[str, Any]:
    settings: dict[str, Any] = _read(run, run.path / "config.yaml", _with_scores)
    return settings


def _with_scores(path: Path) -> dict[str, Any]:
    settings = config_file(path)
    if not isinstance(settings.get("scores"), dict):
        raise DamagedError(f"{path.name}: scores is not a mapping")
    return settings


def _read(run: RunDirectory, path: Path, read: Callable[[Path], Any]) -> Any:
    """Return the content of a finished run's file.

    Raises:
        CheckpointError: If it is missing or damaged; says what to do.
    """
    try:
        return named(path, read)
    except DamagedError as error:
        raise CheckpointError(f"{run.path}: {error}; rerun=true trains the run again") from error


def _plain_scores(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings of scores, not yet resolved: what comes from the environment is recorded by its name."""
    found: Any = OmegaConf.to_container(cfg.scores)
    return {str(name): settings for name, settings in found.items()}


def _with(cfg: DictConfig, **changes: Any) -> DictConfig:
    changed = cfg.copy()
    OmegaConf.set_struct(changed, False)
    changed.update(changes)
    return changed


def _asked(names: list[str]) -> str:
    return f"scores={names[0] if len(names) == 1 else '[' + ','.join(names) + ']'}"
