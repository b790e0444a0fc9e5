"""The scores of a run beyond those of its task: what its data brings along, and what ``scores`` names."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from segbench.configuration.choices import choices
from segbench.errors import ConfigError
from segbench.scores.derive import OVERALL_SCORES, SCORES


def check_scores(data: Any) -> None:
    """Refuse configured scores that have nothing to score in the data, or the name of another score.

    Args:
        data: The data module with its scores; nothing of it is read.

    Raises:
        ConfigError: Names the key of the score.
    """
    own = [made.name for columns in data.own_scores() for made in columns.declare(data.unit)]
    taken = {*SCORES, *OVERALL_SCORES, *own}
    for key, columns in data.scores.items():
        try:
            classes, names = columns.scored_classes(data), [made.name for made in columns.declare(data.unit)]
        except ValueError as error:
            raise ConfigError(f"scores.{key}: {error}") from error
        if not classes:
            raise ConfigError(f"scores.{key}: {data.name} has no class that it could score; leave it out")
        if again := sorted(taken.intersection(names)):
            raise ConfigError(f"scores.{key}: there is a score {again[0]} already; leave one out or set another name")
        taken |= set(names)


def how_to_add(metric: str, known: Collection[str]) -> str:
    """Return the end of a message about a metric of a score that is a choice of ``scores``; empty if it is of no such.

    Args:
        metric: The score's name, or ``<score>_<class>``.
        known: Names of the scores that there are.
    """
    fitting = (name for name in choices("scores") if name not in known and f"{metric}_".startswith(f"{name}_"))
    found = max(fitting, key=len, default="")
    return f"; add scores={found}" if found else ""
