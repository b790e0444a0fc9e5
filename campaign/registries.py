"""Cases that the tests keep in lists of their own: a section with ``registry`` tries each of a list.

A registry is a function that returns, by name, what an entry of the catalogue would say.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from campaign.program import ROOT
from campaign.steps import step

# What tests call {out}.
OUT = "$here/outputs"
Entries = dict[str, dict[str, Any]]


def folders() -> Entries:
    """Run folders that somebody sent (``tests/reporting/hostile.py``), as one of two that a report is about."""
    from tests.reporting.hostile import CASES

    return {
        name: {"steps": [{"sent_folder": name}], "says": [reason] if reason else []}
        for name, (_, reason) in CASES.items()
    }


@step
def sent_folder(here: Path, name: str) -> None:
    """Spoil the first run as a case of ``tests/reporting/hostile.py`` does; nothing may quote ``outside.txt``."""
    from tests.reporting.hostile import CASES, SECRET

    outside = here / "outside.txt"
    outside.write_text(f"{SECRET}\n")
    run = min(here.glob("outputs/runs/*/run.json")).parent
    CASES[name][0](run, outside)


def attacking_checkpoints() -> Entries:
    """Checkpoints by attackers (``tests/hostile_checkpoints.py``)."""
    from tests.hostile_checkpoints import ATTACKS

    return {name: _checkpoint(name, case.code, case.said) for name, case in ATTACKS.items()}


def damaged_checkpoints() -> Entries:
    """Checkpoints as a bad disk leaves them (``tests/hostile_checkpoints.py``)."""
    from tests.hostile_checkpoints import DAMAGES, FILES

    files = {name: _checkpoint(name, 5, said) for name, (_, said) in FILES.items()}
    return {name: _checkpoint(name, case.code, case.said) for name, case in DAMAGES.items()} | files


def _checkpoint(name: str, code: int, said: str) -> dict[str, Any]:
    return {"steps": [{"sent_checkpoint": name}], "code": code, "says": said}


@step
def sent_checkpoint(here: Path, name: str) -> dict[str, str]:
    """Write ``sent/best.ckpt`` as a case of ``tests/hostile_checkpoints.py``, from the best one of a run."""
    from tests.hostile_checkpoints import CANARY, make

    (here / "sent").mkdir()
    make(name, min(here.glob("outputs/runs/*/checkpoints/best.ckpt")), here / "sent")
    return {"canary": str(here / "sent" / CANARY)}


def command_lines() -> Entries:
    """Odd command lines (``tests/odd_command_lines.yaml``), after a tiny training's."""
    from tests.test_odd_command_lines import TINY

    listed = yaml.safe_load((ROOT / "tests" / "odd_command_lines.yaml").read_text(encoding="utf-8"))
    return {
        " ".join(entry["arguments"]): {
            "run": "run.py "
            + shlex.join(TINY)
            + " "
            + shlex.join(entry["arguments"]).replace("{out}", "$here/outputs"),
            "code": entry["code"],
            "says": entry["says"].replace("{out}", OUT),
        }
        for entry in listed
    }


REGISTRIES: dict[str, Callable[[], Entries]] = {
    made.__name__: made for made in (folders, attacking_checkpoints, damaged_checkpoints, command_lines)
}


def entries(name: str, match: str = "", unless: str = "$^") -> Entries:
    """Return the entries of a registry whose names match one expression and not another.

    Args:
        name: Of :data:`REGISTRIES`.
        match: What names must match.
        unless: What they must not.
    """
    return {
        key: {"what": key} | entry
        for key, entry in REGISTRIES[name]().items()
        if re.search(match, key) and not re.search(unless, key)
    }
