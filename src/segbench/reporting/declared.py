"""What an experiment declares: its name and its comparison, even where its runs are links to another experiment's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from segbench.reporting.collect import Run


def declaration(runs: Sequence[Run]) -> tuple[str, dict[str, Any]]:
    """Return the experiment's name and its ``comparison`` (empty where none is declared).

    A run of equal configuration may be a link to where another experiment trained it, and then carries that
    experiment's comparison. So the latest run that was trained here decides; without one, the sweep's
    ``multirun.yaml``.

    Args:
        runs: Runs of one directory, at least one.
    """
    here = [run for run in runs if not run.directory.is_symlink()]
    if not here and (found := _multirun(runs)):
        return found
    latest = max(here or runs, key=lambda run: str(run.status.get("started") or ""))
    return latest.experiment, latest.config.get("comparison") or {}


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
