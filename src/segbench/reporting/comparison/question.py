"""Which comparisons a question needs: those that may be the best, those with a baseline, or all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segbench.configuration.schema import Family
from segbench.errors import ConfigError
from segbench.reporting.collection.factors import factor_value, fits, show_value
from segbench.reporting.comparison.model import Row
from segbench.words import listed


def family_of(declared: Mapping[str, Any], rows: Sequence[Row]) -> tuple[Family, int | None]:
    """Return the family of comparisons that an experiment asks for, and the index of the baseline's row, if it has one.

    Args:
        declared: ``comparison``; empty where none is declared.
        rows: The rows.

    Raises:
        ConfigError: If no row is the baseline, or several are.
    """
    named = declared.get("baseline")
    if named is None:
        return declared.get("family") or "best", None
    found = [index for index, row in enumerate(rows) if _is(row, named)]
    if len(found) != 1:
        shown = ", ".join(f"{key}={show_value(value)}" for key, value in named.items()) if _whole(named) else named
        are = f"{len(found)} rows are" if found else "no row is"
        raise ConfigError(
            f"comparison.baseline={shown}: {are} it; name the values of one of {listed([row.label for row in rows], 8)}"
        )
    return "baseline", found[0]


def _is(row: Row, named: Any) -> bool:
    """Tell whether a row has the factor values, or the single value, of a baseline."""
    run = row.runs[0]
    return fits(run, named) if _whole(named) else named in [factor_value(run, factor) for factor in row.factors]


def _whole(named: Any) -> bool:
    return isinstance(named, Mapping)
