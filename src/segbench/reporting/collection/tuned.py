"""Which runs have settings that trials chose, found in the folders of the trials beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from segbench.reporting.collection.folders import place
from segbench.reporting.collection.runs import Run
from segbench.runs.readers import DamagedError
from segbench.runs.tuning import FOLDER, Tuning, read_row


def with_tuning(runs: Sequence[Run]) -> list[Run]:
    """Return the runs, those with what their row's trials chose with the trials and the overrides as they were typed.

    Finished runs with what another budget chose are excluded where others have what the latest one did.
    """
    rows = [(folder, row) for folder in dict.fromkeys(run.directory.parent for run in runs) for row in _rows(folder)]
    known = {place(folder / name): row for folder, row in rows for name in row.runs}
    found = [_with(run, known.get(place(run.directory))) for run in runs]
    trained = {run.tuning.row for run in found if run.tuning and run.state == "done"}
    return [_superseded(run, known.get(place(run.directory)), trained) for run in found]


def tuned_keys(runs: Sequence[Run]) -> set[str]:
    """Return the keys that trials chose for any of the runs, and those that are built from them."""
    return {key for run in runs if run.tuning for key in run.tuning.followers}


def _rows(folder: Path) -> list[Tuning]:
    found = []
    for path in sorted((folder / FOLDER).glob("*/")):
        try:
            found.append(read_row(path))
        except DamagedError:
            continue  # the runs speak for themselves
    return found


def _with(run: Run, row: Tuning | None) -> Run:
    if row is None or (best := row.chosen) is None:
        return run
    if run.config and any(run.settings.get(key) != best.settings.get(key) for key in row.space):
        return run
    return replace(run, tuning=row, overrides=row.runs[run.name])


def _superseded(run: Run, row: Tuning | None, trained: Collection[str]) -> Run:
    if row is None or run.tuning or run.state != "done" or row.row not in trained:
        return run
    return replace(run, state="excluded", reason="its row has other trials now, which chose other settings")
