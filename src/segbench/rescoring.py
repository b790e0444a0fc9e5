"""Scores that a finished run lacks: it is evaluated again from its best weights, and not trained again.

Scores are not part of a run's identity, as they cannot change its training. So a run that was finished without them is
the run that is asked for; only columns of ``scores.parquet`` and figures of ``summary.json`` are missing.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from segbench import environment
from segbench.errors import CheckpointError
from segbench.runs.checkpoint_io import BEST
from segbench.runs.directory import RunDirectory
from segbench.runs.files import read_json, write_json, write_text
from segbench.runs.split_counts import COLUMNS


def lacking_scores(run: RunDirectory, cfg: DictConfig) -> list[str]:
    """Return the names in ``scores`` by which a finished run is not scored, or with other options."""
    stored = _settings(_stored(run))
    return [name for name, settings in _settings(cfg).items() if stored.get(name) != settings]


def scoring_configuration(run: RunDirectory, cfg: DictConfig) -> DictConfig:
    """Return a configuration with the scores that a finished run has beside those that it is asked for.

    What only the first weights come from is taken out: the task is given the best ones.
    """
    return _with(cfg, scores=_settings(_stored(run)) | _settings(cfg), init_from=None, freeze=None)


def require_best(run: RunDirectory, lacking: list[str]) -> None:
    """Refuse to evaluate a run whose best weights are gone.

    Raises:
        CheckpointError: With what to do.
    """
    if not (path := run.checkpoints / BEST).is_file():
        raise CheckpointError(f"{path}: gone, so {_asked(lacking)} cannot be added; rerun=true trains the run again")


def require_equal_counts(run: RunDirectory, table: pd.DataFrame, lacking: list[str]) -> None:
    """Refuse scores of predictions that are not those which the run was scored by: they would not belong together.

    Args:
        run: The finished run.
        table: The rows of the new evaluation.
        lacking: The scores that are asked for.

    Raises:
        CheckpointError: If any image has other counts.
    """
    before, now = (
        frame[COLUMNS].sort_values(["split", "id", "class_index"]).to_numpy().tolist()
        for frame in (pd.read_parquet(run.scores, columns=COLUMNS), table)
    )
    if before != now:
        raise CheckpointError(
            f"{run.path}: its best weights do not predict what it was scored by (another machine, or other versions?),"
            f" so {_asked(lacking)} cannot be added and it stays as it was; rerun=true trains it again"
        )


def record_scores(run: RunDirectory, cfg: DictConfig, scores: dict[str, Any], convention: str) -> None:
    """Write the scores of a run whose scores file has been written into its summary and its configuration.

    The configuration comes last: a run that is killed before is evaluated again.

    Args:
        run: The finished run.
        cfg: What it was evaluated by.
        scores: Split to score to value.
        convention: How they came about, in words.
    """
    again = {"git": environment.git_state(), "versions": environment.versions()}
    summary = (read_json(run.summary) or {}) | {"scores": scores, "convention": convention, "scored_again": again}
    write_json(run.summary, summary)
    write_text(run.path / "config.yaml", OmegaConf.to_yaml(_with(_stored(run), scores=_settings(cfg))))


def _stored(run: RunDirectory) -> DictConfig:
    cfg = OmegaConf.load(run.path / "config.yaml")
    assert isinstance(cfg, DictConfig)
    return cfg


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
