"""The scores of a run beyond those of its task: what its data brings along, and what ``scores`` names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from segbench.configuration.choices import choices
from segbench.errors import ConfigError
from segbench.scores.columns import ColumnScore, reserved
from segbench.scores.derive import OVERALL_SCORES, SCORES

# Of segbench.scores.columns.ScoreColumns.
_PROTOCOL = ("dimensions", "declare", "scored_classes", "terms")


def check_scores(data: Any) -> None:
    """Refuse configured scores that have nothing to score in the data, or the names of what is there already.

    Args:
        data: The data module with its scores; nothing of it is read.

    Raises:
        ConfigError: Names the key of the score.
    """
    own = [made for columns in data.own_scores() for made in columns.declare(data.unit)]
    taken = {*SCORES, *OVERALL_SCORES, *(made.name for made in own)}
    filled = {column: data.name for made in own for column in made.columns}
    for key, columns in data.scores.items():
        declared = _declared(key, columns, data)
        if again := sorted(taken.intersection(made.name for made in declared)):
            raise ConfigError(f"scores.{key}: there is a score {again[0]} already; leave one out or set another name")
        names = dict.fromkeys(column for made in declared for column in made.columns)
        if kept := reserved(names):
            raise ConfigError(f"scores.{key}: the scores file has a column {kept[0]} already; call it otherwise")
        if shared := [name for name in names if name in filled]:
            raise ConfigError(
                f"scores.{key}: the column {shared[0]} is filled by {filled[shared[0]]} already; call it otherwise"
            )
        taken |= {made.name for made in declared}
        filled |= dict.fromkeys(names, f"scores.{key}")


def _declared(key: str, columns: Any, data: Any) -> Sequence[ColumnScore]:
    """Return what a configured score declares.

    Raises:
        ConfigError: If it is no score, or has nothing to score.
    """
    if lacking := [name for name in _PROTOCOL if not hasattr(columns, name)]:
        raise ConfigError(f"scores.{key}: {type(columns).__name__} is no score: it has no {lacking[0]}")
    try:
        classes, declared = columns.scored_classes(data), list(columns.declare(data.unit))
    except ValueError as error:
        raise ConfigError(f"scores.{key}: {error}") from error
    if not classes:
        raise ConfigError(f"scores.{key}: {data.name} has no class that it could score; leave it out")
    return declared


def how_to_add(metric: str, known: Collection[str]) -> str:
    """Return the end of a message about a metric of a score that is a choice of ``scores``; empty if it is of no such.

    Args:
        metric: The score's name, or ``<score>_<class>``.
        known: Names of the scores that there are.
    """
    fitting = (name for name in choices("scores") if name not in known and f"{metric}_".startswith(f"{name}_"))
    found = max(fitting, key=len, default="")
    return f"; add scores={found}" if found else ""
