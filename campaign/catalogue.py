"""The catalogue of cases, one YAML file: what is given, what is done to it, which command runs, what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import yaml

from campaign.registries import entries

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
# In the order of the printed table.
CLASSES = {
    "kills": "runs killed and started again",
    "inputs": "bad inputs",
    "accepted": "unusual but valid inputs",
    "attacks": "attacks",
    "disk": "full, read-only or failing disks",
}
# The least number of cases that a class should have.
GOALS = {"kills": 300, "inputs": 200, "attacks": 80, "disk": 25}


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        id: Its name, unique: ``<section>/<case>``.
        kind: One of :data:`CLASSES`.
        what: What is wrong, in a few words.
        given: Names of what is prepared, of :mod:`campaign.given`.
        steps: What is done to that, of :mod:`campaign.steps`: a name and its arguments each.
        run: Command lines, one after the other; all but the last must end well.
        codes: Exit codes that the last may have: ``code`` in the catalogue, one or a list.
        says: What its error must contain; or, if 0 is its only exit code, what its output must.
        then: What must hold afterwards, of :mod:`campaign.checks`: a name and its arguments each.
        values: Settings of the class, as its module documents them.
        fresh: Whether the case is tried a second time in processes that begin with nothing loaded, with equal outcome.
        seconds: How long a command may take.
        reason: Why it fails, if that is known and not to be mended now.
    """

    id: str
    kind: str
    what: str
    given: Sequence[str] = ()
    steps: Sequence[tuple[str, Any]] = ()
    run: Sequence[str] = ()
    codes: Sequence[int] = (0,)
    says: Sequence[str] = ()
    then: Sequence[tuple[str, Any]] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    seconds: float = 60
    reason: str = ""


def load(path: Path = CATALOGUE) -> list[Case]:
    """Return all cases of a catalogue.

    Raises:
        ValueError: If two cases have one id, or an entry is malformed.
    """
    cases = [case for section in yaml.safe_load(path.read_text(encoding="utf-8")) for case in _section(section)]
    ids = [case.id for case in cases]
    if twice := {name for name in ids if ids.count(name) > 1}:
        raise ValueError(f"{path}: ids that occur twice: {', '.join(sorted(twice))}")
    return cases


def _section(section: dict[str, Any]) -> Iterator[Case]:
    """Yield the cases of a section: each once, or once for each entry of ``over`` with that entry's variables."""
    shared = {key: value for key, value in section.items() if key not in ("section", "cases", "over", "registry")}
    listed = entries(**section["registry"]) if "registry" in section else {}
    for name, entry in (listed | section.get("cases", {})).items():
        for variant, variables in section.get("over", {None: {}}).items():
            if variant in entry.get("but", ()):
                continue
            place = section["section"] if variant is None else f"{section['section']}/{variant}"
            own = {key: value for key, value in entry.items() if key != "but"}
            yield _case(f"{place}/{name}", _filled(shared | own, variables))


def _case(name: str, entry: dict[str, Any]) -> Case:
    if "code" in entry:
        code = entry.pop("code")
        entry["codes"] = code if isinstance(code, list) else [code]
    unknown = entry.keys() - Case.__dataclass_fields__.keys()
    if unknown or entry.get("kind") not in CLASSES:
        raise ValueError(f"{name}: unknown {', '.join(unknown) or 'kind'}")
    for key in ("given", "run", "says"):
        entry[key] = [entry[key]] if isinstance(entry.get(key), str) else entry.get(key, [])
    for key in ("steps", "then"):
        entry[key] = [next(iter(step.items())) for step in entry.get(key, [])]
    return Case(id=name, **entry)


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    """Put variables, ``$name``, into all texts; what has no value stays, for :func:`campaign.trial.filled` to fill."""
    if isinstance(value, str):
        whole = variables.get(value.removeprefix("$")) if value.startswith("$") else None
        return Template(value).safe_substitute(variables) if whole is None else whole
    if isinstance(value, dict):
        return {_filled(key, variables): _filled(item, variables) for key, item in value.items()}
    return [_filled(item, variables) for item in value] if isinstance(value, list) else value
