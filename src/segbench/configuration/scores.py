"""The scores of a run beyond those of pixels: what its data brings along, and what ``scores`` names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from omegaconf import DictConfig

from segbench.configuration.build import build
from segbench.data.base import ImageData
from segbench.errors import ConfigError
from segbench.scores.columns import ScoreColumns
from segbench.scores.derive import OVERALL_SCORES, SCORES

_CHOICES = Path(__file__).resolve().parents[3] / "conf" / "scores"


def build_scores(cfg: DictConfig, data: ImageData) -> list[ScoreColumns]:
    """Build what fills further columns in the final evaluation, those of the data first.

    Args:
        cfg: The whole configuration.
        data: The data module; nothing of it is read.

    Raises:
        ConfigError: If a configured score has nothing to score in this data, or the name of another one.
    """
    found = list(data.score_columns())
    taken = {*SCORES, *OVERALL_SCORES, *column_metrics(found, data)}
    for key in cfg.scores:
        score: ScoreColumns = build(f"scores.{key}", cfg)
        try:
            metrics = column_metrics([score], data)
        except ValueError as error:
            raise ConfigError(f"scores.{key}: {error}") from error
        if not any(metrics.values()):
            raise ConfigError(f"scores.{key}: {data.name} has no class that it could score; leave it out")
        if again := sorted(taken & set(metrics)):
            raise ConfigError(f"scores.{key}: there is a score {again[0]} already; leave one out or set another name")
        taken |= set(metrics)
        found.append(score)
    return found


def column_metrics(scores: Sequence[ScoreColumns], data: ImageData) -> dict[str, Sequence[str]]:
    """Return the name of every score that is declared, with the names of the classes that have one."""
    return {declared.name: score.scored_classes(data) for score in scores for declared in score.declare(data.unit)}


def how_to_add(metric: str, known: Collection[str]) -> str:
    """Return the end of a message about a metric of a score that is a choice of ``scores``; empty if it is of no such.

    Args:
        metric: The score's name, or ``<score>_<class>``.
        known: Names of the scores that there are.
    """
    choices = {path.stem for path in _CHOICES.glob("*.yaml")} - set(known)
    found = max((name for name in choices if f"{metric}_".startswith(f"{name}_")), key=len, default="")
    return f"; add scores={found}" if found else ""
