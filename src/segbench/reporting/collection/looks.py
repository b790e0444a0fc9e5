"""What earlier reports of an experiment knew.

Who looks at the results and adds seeds until a difference shows, finds one where there is none. So each report in the
experiment's folder adds a line to ``looks.jsonl`` (:mod:`segbench.runs.history`), unless the last one knew as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from segbench.runs import history
from segbench.runs.readers import DAMAGE


@dataclass(frozen=True)
class Look:
    """One look at an experiment's results.

    Attributes:
        time: When, ISO 8601; empty where it is not known.
        seeds: Row's label to the number of its seeds that were finished.
        planned: Row's label to the number of its seeds that were finished or planned.
    """

    time: str
    seeds: Mapping[str, int]
    planned: Mapping[str, int]


def read_looks(folder: Path, before: str | None = None) -> tuple[Look, ...]:
    """Return the looks at an experiment, the first one first; lines that are damaged are left out.

    Args:
        folder: The experiment's.
        before: Only looks before this time, ISO 8601 in UTC; None for all.
    """
    found = []
    for entry in history.read(folder / history.LOOKS):
        with suppress(*DAMAGE):
            if before is not None and str(entry.get("time") or "") >= before:
                continue
            counts = [{str(row): int(count) for row, count in entry[key].items()} for key in ("seeds", "planned")]
            found.append(Look(str(entry.get("time") or "")[:10], *counts))
    return tuple(found)


def add_look(folder: Path, seeds: Mapping[str, int], planned: Mapping[str, int]) -> None:
    """Add a look, unless the last one knew the same.

    Raises:
        StorageError: If it cannot be written.
    """
    looks = read_looks(folder)
    if not looks or (looks[-1].seeds, looks[-1].planned) != (seeds, planned):
        history.add(folder / history.LOOKS, [{"seeds": dict(seeds), "planned": dict(planned)}])
