"""Scores that a finished run lacks: it is evaluated again from its best weights, and not trained again.

Scores are not part of a run's identity, as they cannot change its training. So a run that was finished without them is
the run that is asked for; only columns of ``scores.parquet`` and figures of ``summary.json`` are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from segbench import environment
from segbench.errors import CheckpointError
from segbench.run_inputs import score_code
from segbench.runs.checkpoint_io import BEST
from segbench.runs.directory import RunDirectory
from segbench.runs.files import write_json, write_text
from segbench.runs.readers import DamagedError, config_file, named, summary_file
from segbench.runs.scores_file import TASKS, read_columns, read_scores
from segbench.runs.split_scores import About, SplitScores


def lacking_scores(run: RunDirectory, cfg: DictConfig) -> list[str]:
    """Return the names in ``scores`` by which a finished run is not scored, or with other options or other code.

    Raises:
        CheckpointError: If the run's files do not tell what it is scored by.
        ConfigError: If the class of a score cannot be found.
    """
    stored, code = _settings(_stored(run)), score_code(cfg)
    known = _read(run, run.summary, summary_file).get("scored_by") or {} if code else {}
    return [
        name
        for name, settings in _settings(cfg).items()
        if stored.get(name) != settings or (name in code and known.get(name) != code[name])
    ]


def scoring_configuration(run: RunDirectory, cfg: DictConfig) -> DictConfig:
    """Return a configuration with the scores that a finished run has beside those that it is asked for.

    What only the first weights come from is taken out: the task is given the best ones.
    """
    return _with(cfg, scores=_settings(_stored(run)) | _settings(cfg), init_from=None, freeze=None)


@dataclass(frozen=True)
class Scored:
    """What a finished run is scored by: its splits, and the columns of its file that are of no declared score."""

    splits: Mapping[str, SplitScores]
    columns: tuple[str, ...]


def stored_scores(run: RunDirectory) -> Scored:
    """Return what a finished run is scored by.

    Raises:
        CheckpointError: If its scores file is missing or damaged.
    """
    splits = _read(run, run.scores, read_scores)
    about, columns = _read(run, run.scores, read_columns)
    # A score may be declared otherwise now, or be left from an evaluation that was killed: its columns may go.
    declared = {column for score in about.scores for column in score.columns}
    return Scored(splits, tuple(column for column in columns if column not in declared))


def require_best(run: RunDirectory, lacking: list[str]) -> None:
    """Refuse to evaluate a run whose best weights are gone.

    Raises:
        CheckpointError: With what to do.
    """
    if not (path := run.checkpoints / BEST).is_file():
        raise CheckpointError(f"{path}: gone, so {_asked(lacking)} cannot be added; rerun=true trains the run again")


def require_same(run: RunDirectory, before: Scored, table: pd.DataFrame, about: About, lacking: list[str]) -> None:
    """Refuse scores of predictions that are not those which the run was scored by: they would not belong together.

    Args:
        run: The finished run.
        before: What it was scored by.
        table: The rows of the new evaluation.
        about: What they mean.
        lacking: The scores that are asked for.

    Raises:
        CheckpointError: If anything of an image has changed, or a column would be lost.
    """
    now = TASKS[about.task].read(table, about)
    pairs = [(scores, now[name]) for name, scores in before.splits.items() if name in now]
    if before.splits.keys() != now.keys() or not all(_same(one, two) for one, two in pairs):
        raise CheckpointError(
            f"{run.path}: its best weights do not predict what it was scored by (another machine, or other versions?),"
            f" so {_asked(lacking)} cannot be added and it stays as it was; rerun=true trains it again"
        )
    if lost := [column for column in before.columns if column not in table]:
        raise CheckpointError(
            f"{run.path}: the column {lost[0]} of its scores would be lost, so {_asked(lacking)} cannot be added and it"
            " stays as it was; rerun=true trains it again"
        )


def _same(one: SplitScores, two: SplitScores) -> bool:
    return one.same_images(two) and one.same(two) and (one.groups, one.sizes) == (two.groups, two.sizes)


def record_scores(run: RunDirectory, cfg: DictConfig, found: dict[str, Any]) -> None:
    """Write the scores of a run whose scores file has been written into its summary and its configuration.

    The configuration comes last: a run that is killed before is evaluated again.

    Args:
        run: The finished run.
        cfg: What it was evaluated by.
        found: What the summary says of them: ``scores``, ``convention``, ``scored_by``.
    """
    again = {"git": environment.git_state(), "versions": environment.versions()}
    write_json(run.summary, _read(run, run.summary, summary_file) | found | {"scored_again": again})
    write_text(run.path / "config.yaml", OmegaConf.to_yaml(_with(_stored(run), scores=_settings(cfg))))


def _stored(run: RunDirectory) -> DictConfig:
    cfg = OmegaConf.create(_read(run, run.path / "config.yaml", _with_scores))
    assert isinstance(cfg, DictConfig)
    return cfg


def _with_scores(path: Path) -> dict[str, Any]:
    settings = config_file(path)
    if not isinstance(settings.get("scores"), dict):
        raise DamagedError(f"{path.name}: scores is not a mapping")
    return settings


def _read(run: RunDirectory, path: Path, read: Callable[[Path], Any]) -> Any:
    """Return what a file of a finished run says.

    Raises:
        CheckpointError: If it is missing or damaged, with what to do.
    """
    try:
        return named(path, read)
    except DamagedError as error:
        raise CheckpointError(f"{run.path}: {error}; rerun=true trains the run again") from error


def _settings(cfg: DictConfig) -> dict[str, Any]:
    found: Any = OmegaConf.to_container(cfg.scores, resolve=True)
    return {str(name): settings for name, settings in found.items()}


def _with(cfg: DictConfig, **changes: Any) -> DictConfig:
    changed = cfg.copy()
    OmegaConf.set_struct(changed, False)
    changed.update(changes)
    return changed


def _asked(names: list[str]) -> str:
    return f"scores={names[0] if len(names) == 1 else '[' + ','.join(names) + ']'}"
