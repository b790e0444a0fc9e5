"""Results as they come, one JSON line a case, so that an interrupted campaign goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from campaign.program import ROOT
from campaign.trial import Outcome

# What decides the outcome of a case.
SOURCES = (
    "src", "conf", "campaign", "constraints.txt",
    "tests/data/formats/writers.py", "tests/hostile_checkpoints.py", "tests/odd_command_lines.yaml",
    "tests/reporting/hostile.py", "tests/test_odd_command_lines.py",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """What was tried.

    Attributes:
        commit: The commit, marked if files differ from it.
        code: Digest of the files that decide outcomes: results of other code are never mixed with these.
        machine: The processor and its number of cores.
    """

    commit: str
    code: str
    machine: str


def source() -> Source:
    """Return what would be tried now."""
    digest = hashlib.sha256()
    for name in _git("ls-files", "-co", "--exclude-standard", "-z", "--", *SOURCES).split("\0"):
        if name and (ROOT / name).is_file():
            digest.update(name.encode() + b"\0" + hashlib.sha256((ROOT / name).read_bytes()).digest())
    changed = "" if not _git("status", "--porcelain", "--", *SOURCES) else " with changes"
    return Source(_git("rev-parse", "--short=10", "HEAD").strip() + changed, digest.hexdigest()[:16], _machine())


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "--no-optional-locks", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def _machine() -> str:
    names = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def add(path: Path, outcome: Outcome, source: Source) -> None:
    """Add a result to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(outcome) | asdict(source)) + "\n")


def read(path: Path, source: Source) -> dict[str, Outcome]:
    """Return the last result of each case that was tried on this code; a line cut by a kill counts as none."""
    found = dict[str, Outcome]()
    for entry in _entries(_lines(path)):
        if entry.get("code") == source.code:
            own = {key: entry[key] for key in Outcome.__dataclass_fields__}
            found[own["id"]] = Outcome(**own)
    return found


def _entries(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
