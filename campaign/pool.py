"""Cases in processes of their own, several at a time: what one does to itself reaches no other."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from multiprocessing import connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

# Imported before the first case, so that none is tried by code that was changed meanwhile.
from campaign import accepted, disk, kills  # noqa: F401
from campaign.catalogue import Case
from campaign.program import FORK, end
from campaign.trial import Outcome, attempt


def tried(cases: Sequence[Case], prepared: Path, scratch: Path, jobs: int, keep: Path | None) -> Iterator[Outcome]:
    """Yield what came of cases as they end.

    Args:
        cases: The cases.
        prepared: What they begin with.
        scratch: Where each gets a folder.
        jobs: How many at a time.
        keep: Where the folders of those that did not end as promised are kept; None for nowhere.
    """
    waiting = deque(enumerate(cases))
    running = dict[Any, tuple[ForkProcess, Case, Path]]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                number, case = waiting.popleft()
                process = FORK.Process(target=_try, args=(case, prepared, scratch / str(number)))
                process.start()
                running[process.sentinel] = process, case, scratch / str(number)
            for sentinel in connection.wait([*running]):
                process, case, folder = running.pop(sentinel)
                process.join()
                yield _ended(case, folder, process.exitcode, keep)
    finally:
        for process, _, _ in running.values():
            end(process.pid or 0)


def _try(case: Case, prepared: Path, folder: Path) -> None:
    os.setsid()
    folder.mkdir()
    # Whatever the case itself prints is of no interest; commands have output of their own.
    sys.stdout = sys.stderr = (folder / "log").open("w", encoding="utf-8")
    outcome = attempt(case, prepared, folder / "here")
    (folder / "outcome.json").write_text(json.dumps(asdict(outcome)))


def _ended(case: Case, folder: Path, code: int | None, keep: Path | None) -> Outcome:
    written = folder / "outcome.json"
    if written.is_file():
        outcome = Outcome(**json.loads(written.read_text()))
    else:
        outcome = Outcome(case.id, "otherwise", f"the case itself ended with {code}")
    if keep and outcome.verdict != "promised":
        kept = keep / case.id.replace("/", "-")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder / "here", kept, symlinks=True, ignore=_special, dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _special(folder: object, names: list[str]) -> list[str]:
    """Leave out what cannot be copied, as FIFOs."""
    paths = [Path(str(folder)) / name for name in names]
    return [path.name for path in paths if not (path.is_symlink() or path.is_file() or path.is_dir())]
