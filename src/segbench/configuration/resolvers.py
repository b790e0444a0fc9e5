"""The resolvers that the configuration files use."""

from __future__ import annotations

import logging
from functools import cache
from importlib.util import find_spec
from pathlib import PurePath

from omegaconf import OmegaConf

from segbench.configuration.monitor import monitor_mode
from segbench.installation import requirement, typed
from segbench.runs.identity import experiment_name, run_name

log = logging.getLogger("segbench")


def share(count: float, part: float) -> float:
    """Return a part of a count: 2.0 for 10 epochs and 0.2."""
    return count * part


def folder_name(*places: str | None) -> str:
    """Return the last name in the first of some paths that has one: ``cells`` for ``data/cells``; else ``folder``."""
    names = [PurePath(str(place)).name for place in places if place is not None]
    return next((name for name in names if name), "folder")


@cache
def if_installed(package: str, extra: str, text: str) -> str:
    """Return a text if an optional package is installed; else nothing, and say so once.

    Args:
        package: Its import name.
        extra: The extra of ``pyproject.toml`` that installs it.
        text: Choices of a sweep that need it, with the comma before them.
    """
    if find_spec(package) is not None:
        return text
    left_out = text.strip(", ")
    log.warning("%s left out: %s is not installed; %s", left_out, package, requirement(extra))
    return ""


def register() -> None:
    """Make the resolvers usable: run_name, experiment_name, monitor_mode, share, folder_name, if_installed, typed."""
    OmegaConf.register_new_resolver("run_name", lambda *, _root_: run_name(_root_), replace=True)
    OmegaConf.register_new_resolver("experiment_name", lambda *, _root_: experiment_name(_root_), replace=True)
    OmegaConf.register_new_resolver("monitor_mode", monitor_mode, replace=True)
    OmegaConf.register_new_resolver("share", share, replace=True)
    OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
    OmegaConf.register_new_resolver("if_installed", if_installed, replace=True)
    OmegaConf.register_new_resolver("typed", typed, replace=True)
