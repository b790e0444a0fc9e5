"""What an experiment's folder remembers beside its runs: which were planned or started, and what its reports knew.

Two files, one JSON object a line. They are only added to, so that a sweep that is repeated, a folder that is deleted or
a report that is made again takes nothing back; who means to forget a run deletes its lines.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segbench.errors import StorageError
from segbench.runs.bounded import TABLE, open_file, parse_json
from segbench.words import first_line

log = logging.getLogger("segbench")
PLAN, LOOKS = "plan.jsonl", "looks.jsonl"
PLANNED, STARTED = "planned", "started"


def plan(folder: Path, jobs: Iterable[Mapping[str, Any]], event: str = PLANNED) -> None:
    """Add runs to an experiment's plan, but those that it has with the same event.

    Args:
        folder: The experiment's folder.
        jobs: Of each run ``directory`` (its name), ``seed``, ``choices`` and ``overrides``, as in ``run.json``.
        event: :data:`PLANNED` or :data:`STARTED`.

    Raises:
        StorageError: If the plan cannot be written.
    """
    known = {(entry.get("directory"), entry.get("event")) for entry in read(folder / PLAN)}
    add(folder / PLAN, [{"event": event, **job} for job in jobs if (job["directory"], event) not in known])


def start(run: Path, identity: Mapping[str, Any]) -> None:
    """Say in the plan that a run was started, if it belongs to an experiment or a sweep has planned it.

    Args:
        run: Its directory.
        identity: As in ``run.json``; its experiment is ``runs`` where it has none.

    Raises:
        StorageError: If the plan cannot be written.
    """
    if identity["experiment"] != "runs" or run.name in {entry.get("directory") for entry in read(run.parent / PLAN)}:
        job = {key: identity[key] for key in ("seed", "choices", "overrides")}
        plan(run.parent, [{"directory": run.name, **job}], STARTED)


def add(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Add entries to a file, each with the time; several processes may do so at once.

    Raises:
        StorageError: If it cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lines = [json.dumps({"time": now, **entry}, ensure_ascii=False, default=str) for entry in entries]
    if not lines:
        return
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, flags, 0o666), "rb+", buffering=0) as stream:
            # A writer that was killed may have left half a line, which must not swallow the next.
            whole = not stream.seek(0, os.SEEK_END) or os.pread(stream.fileno(), 1, stream.tell() - 1) == b"\n"
            stream.write("".join(f"{line}\n" for line in ("",) * (not whole) + tuple(lines)).encode())
            os.fsync(stream.fileno())
    except OSError as error:
        raise StorageError(f"paths.outputs: cannot write {path}: {error.strerror or error}") from error


def read(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a file, the oldest first; what is no JSON object is left out.

    Without the file there are none; one that cannot be read is warned of, as what it remembers is then missing.
    """
    found = []
    try:
        with open_file(path, largest=TABLE) as stream:
            for line in stream:  # not at U+2028, which JSON leaves as it is
                with suppress(ValueError):
                    entry = parse_json(line.decode())
                    found += [entry] if isinstance(entry, dict) else []
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.warning("%s: %s; what it remembers of the experiment is left out", path, first_line(error))
    return found
