"""The files of a run directory, each checked when it is read: damage is one line that names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf.errors import OmegaConfBaseException
from pyarrow import ArrowException
from yaml import YAMLError

from segbench.runs.directory import SCHEMA, other_schema
from segbench.runs.settings import load_settings
from segbench.words import first_line

DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, MemoryError,
    ArrowException, YAMLError, OmegaConfBaseException,
)  # fmt: skip


class DamagedError(Exception):
    """A file of a run directory is missing or not what it should be."""


def named(path: Path, read: Any) -> Any:
    """Call ``read(path)`` and turn whatever damage raises into one line that names the file."""
    try:
        return read(path)
    except FileNotFoundError:
        raise DamagedError(f"{path.name} is missing") from None
    except DAMAGE as error:
        raise DamagedError(f"{path.name}: {first_line(error)}") from error


def json_file(path: Path) -> dict[str, Any]:
    """Return a JSON object; of ``status.json`` its state is one that there is."""

    def read(path: Path) -> dict[str, Any]:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        if path.name == "status.json" and value.get("state") not in ("running", "done", "failed"):
            raise ValueError(f"state is {value.get('state')!r}, not running, done or failed")
        return value

    return named(path, read)


def identity_file(path: Path) -> dict[str, Any]:
    """Return what ``run.json`` says of a run, as attributes of :class:`segbench.reporting.collection.runs.Run`."""
    value = json_file(path)
    if value.get("schema") != SCHEMA:
        raise DamagedError(f"{other_schema(value)}; train the run again with rerun=true")

    def check(_: Path) -> dict[str, Any]:
        return {
            "id": str(value.get("id") or ""),
            "experiment": str(value["experiment"]),
            "seed": int(value["seed"]),
            "choices": {str(key): str(choice) for key, choice in value["choices"].items() if choice is not None},
            "overrides": tuple(str(item) for item in value.get("overrides") or ()),
            "unchanging": tuple(str(item) for item in value.get("unchanging") or ()),
            "planned_task": str(value.get("task") or ""),
            "config_dir": str(value.get("config_dir") or ""),
            "python_path": str(value.get("python_path") or ""),
        }

    return named(path, check)


def config_file(path: Path) -> dict[str, Any]:
    """Return the resolved configuration."""

    def read(path: Path) -> dict[str, Any]:
        value = load_settings(path)
        if not isinstance(value, dict):
            raise ValueError("not a mapping")
        lacking = [key for key in ("seed", "comparison") if key not in value]
        if lacking:
            raise ValueError(f"no key {', '.join(lacking)}")
        if not isinstance(value["comparison"] or {}, dict):
            raise ValueError("comparison is not a mapping")
        return {str(key): item for key, item in value.items()}

    return named(path, read)


def summary_file(path: Path) -> dict[str, Any]:
    """Return ``summary.json``, whose costs are numbers."""
    value = json_file(path)

    def check(_: Path) -> dict[str, Any]:
        for part in ("cost", "git", "data"):
            if not isinstance(value.get(part, {}), dict):
                raise ValueError(f"{part} is not a JSON object")
        own = value.get("git", {}).get("own", {})
        if not isinstance(own, dict) or not all(isinstance(digest, str) for digest in own.values()):
            raise ValueError("git.own is not a JSON object of texts")
        for key, item in value.get("cost", {}).items():
            if key not in ("device", "precision") and item is not None and not isinstance(item, int | float):
                raise ValueError(f"cost.{key} is {item!r}, not a number")
        return value

    return named(path, check)


def curves_file(path: Path, strict: bool) -> pd.DataFrame | None:
    """Read the curves; a run that was stopped may have left half a line, which only costs its curves."""

    def read(path: Path) -> pd.DataFrame:
        table = pd.read_csv(path)
        if "epoch" not in table:
            raise ValueError("no column 'epoch'")
        return table.apply(pd.to_numeric)

    if not path.exists():
        return None
    try:
        return named(path, read)
    except DamagedError:
        if strict:
            raise
        return None
