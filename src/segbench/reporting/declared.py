"""What an experiment declares: its name and its comparison, even where its runs are links to another experiment's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from segbench.reporting.collect import Run
from segbench.reporting.factors import fits


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
    return declared | about | dict(asked)


def stated_differences(declared: Mapping[str, Any], runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the differences from the published protocol that one of the runs has, so that none is said of settings
    that the command line has changed; without runs, all of them.
    """
    entries = declared.get("differences") or {}
    # Sweeps from before differences had names hold a list of texts.
    stated = list(entries.values() if isinstance(entries, Mapping) else entries)
    conditions = [
        (entry["text"], entry.get("where") or {}) if isinstance(entry, Mapping) else (entry, {}) for entry in stated
    ]
    return tuple(
        str(text) for text, where in conditions if text and (not runs or any(fits(run, where) for run in runs))
    )


def _multirun(runs: Sequence[Run]) -> tuple[str, dict[str, Any]] | None:
    path = runs[0].directory.parent / "multirun.yaml"
    try:
        sweep = OmegaConf.load(path)
        name = OmegaConf.select(sweep, "hydra.runtime.choices.experiment") or "runs"
        comparison = OmegaConf.select(sweep, "comparison")
        plain: Any = OmegaConf.to_container(comparison) if comparison is not None else {}
        return str(name), plain
    except (OSError, ValueError, YAMLError, OmegaConfBaseException):
        return None
