"""Finished runs, which a sweep does not train again."""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from pathlib import Path

from omegaconf import DictConfig

from segbench.runs.directory import RunDirectory
from segbench.runs.identity import HASH_LENGTH
from segbench.runs.tuning import FOLDER, is_trial

# What the name of a run's directory ends with.
_RUN = re.compile(rf"-seed-?\d+-[0-9a-f]{{{HASH_LENGTH}}}$")
_LOOK_SECONDS = 60


def done_before(directory: Path, config: DictConfig) -> bool:
    """Return whether a job's run is finished and has all its scores, in this experiment or another of the same outputs.

    A finished run with the same identity in another experiment is linked, so that no configuration is trained twice.

    Args:
        directory: The job's run directory; its name ends with the run's identity.
        config: The job's configuration.

    Raises:
        SegbenchError: If the data or weights have changed since the run was trained.
        OSError: If the link cannot be created.
    """
    if directory.is_symlink() and not directory.exists():
        directory.unlink()  # the linked run is gone
    if config.rerun:
        return False
    if not directory.exists():
        _link_twin(directory, Path(str(config.paths.outputs)), is_trial(config))
    if RunDirectory(directory).state() != "done":
        return False
    # Imported here: they import torch, which a sweep without finished runs does not need.
    from segbench.assembly import build_data
    from segbench.rescoring import lacking_scores
    from segbench.run_inputs import check_sources

    check_sources(RunDirectory(directory), build_data(config), config)
    return not lacking_scores(RunDirectory(directory), config)


def _link_twin(directory: Path, outputs: Path, trial: bool) -> None:
    for twin in _runs_below(outputs, int(time.monotonic() // _LOOK_SECONDS)).get(directory.name, ()):
        if not trial and FOLDER in twin.relative_to(outputs).parts:
            continue  # a trial has no scores
        if RunDirectory(twin).state() == "done":
            directory.parent.mkdir(parents=True, exist_ok=True)
            directory.symlink_to(os.path.relpath(twin.resolve(), directory.parent.resolve()))
            return


@lru_cache(maxsize=1)
def _runs_below(outputs: Path, moment: int) -> dict[str, list[Path]]:
    """Return the run directories below a folder, by name, without a look into any: a sweep asks for each of its jobs.

    Args:
        outputs: The folder.
        moment: Changes when it is to be looked at again.
    """
    found = dict[str, list[Path]]()
    for place, folders, _ in os.walk(outputs):
        for name in [name for name in folders if _RUN.search(name)]:
            folders.remove(name)
            found.setdefault(name, []).append(Path(place, name))
    return found
