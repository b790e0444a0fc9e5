"""The files of a run directory, each checked when it is read: damage is one line that names the file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from segbench.runs import history
from segbench.runs.bounded import LISTS, TEXT, read_json, read_yaml
from segbench.runs.directory import SCHEMA, STATES, other_schema
from segbench.runs.settings import flatten
from segbench.words import first_line

if TYPE_CHECKING:
    import pandas as pd

# Ten times as many as a run has; each is compared with those of all others.
MOST_SETTINGS = 2_000
DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, MemoryError,
    YAMLError, OmegaConfBaseException,
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
        value = read_json(path, LISTS if path.name == "sweep.json" else TEXT)
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        if path.name == "status.json" and value.get("state") not in STATES:
            raise ValueError(f"state is {value.get('state')!r}, none of {', '.join(STATES)}")
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
        value = read_yaml(path)
        if not isinstance(value, dict):
            raise ValueError("not a mapping")
        lacking = [key for key in ("seed", "comparison") if key not in value]
        if lacking:
            raise ValueError(f"no key {', '.join(lacking)}")
        if (settings := len(flatten(value))) > MOST_SETTINGS:
            raise ValueError(f"it has {settings:,} settings, more than {MOST_SETTINGS:,}")
        if not isinstance(value.get("paths") or {}, dict):
            raise ValueError("paths is not a mapping")
        _check_comparison(value["comparison"])
        return {str(key): item for key, item in value.items()}

    return named(path, read)


@dataclass(frozen=True)
class Planned:
    """A run of an experiment's plan: what ``run.json`` says of it, and whether it was ever started."""

    seed: int | None
    choices: dict[str, str]
    overrides: tuple[str, ...]
    started: bool


def planned_runs(folder: Path) -> dict[str, Planned]:
    """Return the runs of an experiment's plan by the names of their directories; lines that are damaged are left out.

    Args:
        folder: The experiment's folder.
    """
    found: dict[str, Planned] = {}
    for entry in history.read(folder / history.PLAN):
        with suppress(*DAMAGE):
            # A name, and no way out of the folder.
            name, choices = Path(str(entry["directory"])).name, entry.get("choices") or {}
            if name in ("", ".."):
                continue
            known = found.get(name)
            found[name] = Planned(
                None if entry.get("seed") is None else int(entry["seed"]),
                {str(key): str(choice) for key, choice in choices.items() if choice is not None},
                tuple(str(item) for item in entry.get("overrides") or ()),
                entry.get("event") == history.STARTED or (known is not None and known.started),
            )
    return found


def sweep_file(path: Path) -> dict[str, Any]:
    """Return the configuration that a sweep was started with (``multirun.yaml``)."""

    def read(path: Path) -> dict[str, Any]:
        value = read_yaml(path)
        if not isinstance(value, dict):
            raise ValueError("not a mapping")
        _check_comparison(value.get("comparison"))
        return value

    return named(path, read)


def _check_comparison(value: Any) -> None:
    """Refuse a ``comparison`` of a shape that no experiment has."""
    found = {} if value is None else value
    if not isinstance(found, dict):
        raise ValueError("comparison is not a mapping")
    for key in ("question", "metric", "split"):
        if not isinstance(found.get(key) or "", str):
            raise ValueError(f"comparison.{key} is not a text")
    if not isinstance(factors := found.get("factors") or [], list) or not all(isinstance(key, str) for key in factors):
        raise ValueError("comparison.factors is not a list of keys")
    for key in ("published", "claims"):
        entries = found.get(key) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError(f"comparison.{key} is not a list of mappings")
    differences = found.get("differences") or {}
    if not isinstance(differences, dict | list):
        raise ValueError("comparison.differences is not a mapping")
    for entry in differences.values() if isinstance(differences, dict) else differences:
        if isinstance(entry, dict) and not isinstance(entry.get("where") or {}, dict):
            raise ValueError("comparison.differences: where is not a mapping")
    for entry in found.get("published") or []:
        if not isinstance(entry.get("value"), int | float) or not isinstance(entry.get("where") or {}, dict):
            raise ValueError("comparison.published: an entry needs a number as value, and where is a mapping")


def summary_file(path: Path) -> dict[str, Any]:
    """Return ``summary.json``, whose costs are numbers, and whose repeatability has reasons."""
    value = json_file(path)

    def check(_: Path) -> dict[str, Any]:
        for part in ("cost", "git", "data", "versions"):
            if not isinstance(value.get(part, {}), dict):
                raise ValueError(f"{part} is not a JSON object")
        own = value.get("git", {}).get("own", {})
        if not isinstance(own, dict) or not all(isinstance(digest, str) for digest in own.values()):
            raise ValueError("git.own is not a JSON object of texts")
        for key, item in value.get("cost", {}).items():
            if key not in ("device", "precision") and item is not None and not _is_number(item):
                raise ValueError(f"cost.{key} is {item!a:.80}, not a number")
        _check_repeats(value.get("repeats"))
        return value

    return named(path, check)


def _check_repeats(value: Any) -> None:
    """Refuse what does not say whether a run repeats to the bit, and why not; None is of before that was noted."""
    if value is None:
        return
    reasons = value.get("because") if isinstance(value, dict) else None
    said = isinstance(reasons, list) and all(isinstance(reason, str) for reason in reasons)
    if not said or not isinstance(value.get("to_the_bit"), bool):
        raise ValueError("repeats is not whether a run repeats to the bit, and a list of texts why not")


def _is_number(item: Any) -> bool:
    # Whole numbers beyond those of NumPy are objects to it.
    return isinstance(item, float) or (isinstance(item, int) and abs(item) < 2**63)


def curves_file(path: Path, summary: dict[str, Any] | None) -> pd.DataFrame | None:
    """Read the curves, all epochs of a run that is done; what damage costs another run is only its curves.

    Args:
        path: The file.
        summary: ``summary.json`` of a run that is done.
    """
    # Not above: a sweep reads other files, and must not wait for it.
    import pandas as pd

    from segbench.runs.unfolding import read_csv

    def read(path: Path) -> pd.DataFrame:
        table = read_csv(path)
        if "epoch" not in table:
            raise ValueError("no column 'epoch'")
        if summary is not None and len(table) != summary.get("epochs", len(table)):
            raise ValueError(f"it has {len(table):,} epochs, and summary.json {summary['epochs']!a:.40}")
        numbers = all(map(pd.api.types.is_numeric_dtype, table.dtypes))
        return table if numbers else table.apply(pd.to_numeric)

    if not path.exists():
        return None
    try:
        return named(path, read)
    except DamagedError:
        if summary is not None:
            raise
        return None
