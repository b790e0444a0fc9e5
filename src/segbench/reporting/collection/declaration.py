"""What an experiment declares: its name and its comparison, even where its runs are links to another experiment's."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from segbench.reporting.collection.factors import fits, matters, show_value
from segbench.reporting.collection.runs import Run
from segbench.reporting.collection.variants import VARIANT
from segbench.runs.readers import DamagedError, sweep_file


def declaration(runs: Sequence[Run]) -> tuple[str, dict[str, Any]]:
    """Return the experiment's name and its ``comparison`` (empty where none is declared).

    The latest sweep decides, by its ``multirun.yaml``: a question or claim that was reworded since the runs were
    trained is then the new one. A run may also be a link to where another experiment trained it, and carries that
    experiment's comparison; so without a sweep the latest run that was trained here decides.

    Args:
        runs: Runs of one directory, at least one.
    """
    here = [run for run in runs if not run.directory.is_symlink()]
    found = _multirun(runs)
    if found and (found[1] or not here):
        return found
    latest = max(here or runs, key=lambda run: str(run.status.get("started") or ""))
    return latest.experiment, latest.config.get("comparison") or {}


def ask(declared: dict[str, Any], asked: Mapping[str, str]) -> dict[str, Any]:
    """Return a comparison with another deciding metric or split; what was said of the declared metric still is of it.

    A margin is one of the declared metric, in its unit, so another metric has none until one is stated for it.

    Args:
        declared: ``comparison``; empty where none is declared.
        asked: ``metric`` and ``split``, either or both.
    """
    metric = declared.get("metric")
    if metric is None or "metric" not in asked:
        return declared | dict(asked)
    about = {
        key: [{**entry, "metric": entry.get("metric") or metric} if isinstance(entry, dict) else entry
              for entry in declared.get(key) or ()]
        for key in ("claims", "published")
    }  # fmt: skip
    kept = {key: value for key, value in declared.items() if key != "margin" or asked["metric"] == metric}
    return kept | about | dict(asked)


def stated_differences(declared: Mapping[str, Any], runs: Sequence[Run]) -> tuple[str, ...]:
    """Return how the runs differ from the published protocol: what the experiment says of settings that one of them
    has, and what was set on the command line in place of the experiment's own.

    Args:
        declared: ``comparison``.
        runs: The runs that are compared; without any, everything that the experiment says is returned.
    """
    stated = (declared.get("differences") or {}).values()
    conditions = [
        (entry["text"], entry.get("where") or {}) if isinstance(entry, Mapping) else (entry, {}) for entry in stated
    ]
    said = [str(text) for text, where in conditions if text and (not runs or any(fits(run, where) for run in runs))]
    if given := _given(runs, declared.get("factors") or ()):
        said.append(f"Set on the command line, whatever the experiment says: {', '.join(given)}.")
    return tuple(said)


def described_values(declared: Mapping[str, Any], values: Iterable[Hashable]) -> dict[str, str]:
    """Return what the experiment says of values that rows have, by the value as it is shown.

    Args:
        declared: ``comparison``.
        values: Values of the compared factors.
    """
    shown = {show_value(value) for value in values}
    said = {show_value(value): text for value, text in (declared.get("rows") or {}).items()}
    return {value: text for value, text in said.items() if text and value in shown}


def _given(runs: Sequence[Run], factors: Iterable[str]) -> list[str]:
    """Return the overrides that are neither the experiment's own sweep nor without effect on a result."""
    swept = {VARIANT, *factors}
    if runs and (sweep := _sweep(runs)) is not None:
        swept |= set(_part(sweep, "hydra", "sweeper", "params") or ())
    # A run that is a link was asked for by another experiment.
    asked = [
        text for run in runs if run.experiment != "runs" and not run.directory.is_symlink() for text in run.overrides
    ]
    return [
        text
        for text in dict.fromkeys(asked)
        if (key := text.lstrip("+~").partition("=")[0]) not in swept and matters(key)
    ]


def _multirun(runs: Sequence[Run]) -> tuple[str, dict[str, Any]] | None:
    if (sweep := _sweep(runs)) is None:
        return None
    name, comparison = _part(sweep, "hydra", "runtime", "choices", "experiment"), sweep.get("comparison")
    return str(name or "runs"), comparison or {}


def _sweep(runs: Sequence[Run]) -> dict[str, Any] | None:
    """Return the configuration of the latest sweep in the runs' directory, unresolved; None without a usable one."""
    try:
        return sweep_file(runs[0].directory.parent / "multirun.yaml")
    except DamagedError:
        return None


def _part(config: Any, *keys: str) -> Any:
    for key in keys:
        config = config.get(key) if isinstance(config, Mapping) else None
    return config
