"""The run directory: the interface between training and reporting.

It holds ``run.json`` (who this run is), ``config.yaml`` (resolved), ``status.json`` (running, done, failed or
pruned with the reason), ``metrics.csv``, ``scores.parquet``, ``summary.json``, ``predictions.zip`` (where it is small),
``checkpoints/``, ``figures/`` and ``train.log``. A ``status.json`` that says running while nobody
holds ``.lock`` belongs to a killed run.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock, Timeout

from segbench.errors import BusyError, CheckpointError, DataError, SegbenchError, StorageError
from segbench.runs import bounded
from segbench.runs.files import read_json, sweep_abandoned, sweep_temporaries, write_json
from segbench.words import first_line

log = logging.getLogger("segbench")
# Stopped before its last epoch, as it was hopeless: a trial of a search, and never a finished run.
PRUNED = "pruned"
STATES = ("running", "done", "failed", PRUNED)
# The weights that were best in validation, among the checkpoints.
BEST = "best.ckpt"
# In run.json and summary.json: the names of the runs beside it that trained its weights, if it did not itself.
WEIGHTS_OF = "weights_of"
# The layout of a run directory and its files, in run.json: a run of another one is refused, not guessed at.
SCHEMA = 2

# In run.json, what the data was: its files' names, sizes and times, and, of newer runs, what was read and which
# image was in which split.
FINGERPRINT, CONTENT, SPLIT = "data_fingerprint", "data_content", "data_split"

# Each of a run's sources to what it is called, and the error when it is not what it was.
_SOURCES: Mapping[str, tuple[str, type[SegbenchError]]] = MappingProxyType(
    {
        FINGERPRINT: ("the data files", DataError),
        CONTENT: ("the data files or their reading", DataError),
        SPLIT: ("which images train, validate and test", DataError),
        "init_from_sha256": ("the checkpoint that init_from names", CheckpointError),
        "pretrained_sha256": ("the weights that model.pretrained names", CheckpointError),
    }
)


@dataclass(frozen=True)
class RunDirectory:
    """Names and small files of one run directory.

    Attributes:
        path: The directory.
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of ``best.ckpt``, ``last.ckpt`` and ``previous.ckpt``."""
        return self.path / "checkpoints"

    @property
    def figures(self) -> Path:
        """Folder of pictures."""
        return self.path / "figures"

    @property
    def summary(self) -> Path:
        """The final scores and costs, written once the run is done."""
        return self.path / "summary.json"

    @property
    def scores(self) -> Path:
        """The counts per image and class."""
        return self.path / "scores.parquet"

    @property
    def metrics(self) -> Path:
        """The curves, one row an epoch."""
        return self.path / "metrics.csv"

    def identity(self) -> dict[str, Any]:
        """Return ``run.json``, or an empty dict before it is written.

        Raises:
            CheckpointError: If it is damaged, or lost while there are checkpoints: nobody knows what they are of.
        """
        path = self.path / "run.json"
        try:
            return _identity(bounded.read_json(path))
        except FileNotFoundError:
            if not any(self.checkpoints.glob("*.ckpt")):
                return {}
            reason = "lost, so it is not known what the run was trained on"
        except (OSError, ValueError) as error:
            reason = first_line(error)
        raise CheckpointError(f"{path}: {reason}; start again with rerun=true")

    def predicting(self) -> list[Path]:
        """Return the runs whose best weights predict: itself, an ensemble's members, or none where one is gone."""
        if (self.checkpoints / BEST).is_file():
            return [self.path]
        known = read_json(self.path / "run.json") or {}
        named = known.get(WEIGHTS_OF)
        # Anyone's run may name anything, but only what lies beside it counts.
        members = [self.path.parent / Path(str(name)).name for name in named] if isinstance(named, list) else []
        return members if all((member / "checkpoints" / BEST).is_file() for member in members) else []

    def state(self) -> str | None:
        """Return one of :data:`STATES`; None for a new directory and where ``status.json`` is damaged."""
        state = self._status().get("state")
        return state if state in STATES else None

    def _status(self) -> dict[str, Any]:
        return read_json(self.path / "status.json") or {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process; the kernel frees it however the process ends.

        Raises:
            BusyError: If another process holds it.
            StorageError: If the directory cannot be made or written.
        """
        lock = FileLock(self.path / ".lock", timeout=0)
        if (self.path / ".lock").is_symlink():
            # It would be emptied.
            raise StorageError(f"{self.path / '.lock'}: it is a link; delete it, then start again")
        try:
            for folder in (self.path, self.checkpoints, self.figures):
                folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            status = self._status()
            holder = f"process {status.get('pid', '?')} on {status.get('host', '?')}"
            raise BusyError(
                f"{self.path}: this run is already in progress ({holder}); wait for it or stop it"
            ) from None
        except OSError as error:
            place = error.filename or self.path
            raise StorageError(f"paths.outputs: cannot write {place}: {error.strerror or error}") from error
        try:
            sweep_temporaries(self.path)
            # Images that runs share, and reports, are written beside the runs.
            sweep_abandoned(self.path.parent)
            yield
        finally:
            lock.release()

    def begin(self, identity: dict[str, Any]) -> None:
        """Record who this run is and that it is running (counts the attempt).

        Raises:
            CheckpointError: If it was begun by a version of segbench whose files are laid out differently.
        """
        write_json(self.path / "run.json", self._own_identity() | identity | {"schema": SCHEMA})
        path, previous = self.path / "status.json", self._status()
        if os.path.lexists(path) and self.state() is None:
            log.warning("%s: damaged, so it is written anew; nothing else of the run depends on it", path)
        attempts = previous.get("attempts")
        self._write_status(
            state="running",
            reason=None,
            exit_code=None,
            of_data=False,
            started=_now(),
            finished=None,
            attempts=(attempts if type(attempts) is int else 0) + 1,
        )

    def begin_sources(self, sources: dict[str, str]) -> None:
        """Record what the run is trained on.

        Args:
            sources: ``data_fingerprint``, the digest of the data files' names, sizes and times and of the settings
                that shape them, the first one of files with the same contents; ``data_content``, that of what is read
                from them; ``data_split``, that of which image is in which split; with ``init_from`` also
                ``init_from_sha256``, that of the checkpoint; likewise ``pretrained_sha256``; and ``task``, what is
                learnt of the data.

        Raises:
            DataError: If the run was begun on other files and would now go on with these.
            CheckpointError: If it was begun from other weights.
        """
        if any(self.checkpoints.glob("*.ckpt")):
            self.check_sources(sources)
        write_json(self.path / "run.json", self.identity() | sources)

    def check_sources(self, sources: dict[str, str]) -> None:
        """Compare what the run was begun on with what is there now; what either lacks is not compared.

        Files are the same data where their content is known and the same, wherever they lie and however old they are.

        Raises:
            DataError: If the data's files are others.
            CheckpointError: If the weights it started from are others, or a version of segbench whose files are laid
                out differently began the run.
        """
        known = self._own_identity()
        by_content = CONTENT in known and CONTENT in sources
        for name in _SOURCES:
            if name == FINGERPRINT and by_content:
                continue
            if name in known and name in sources and known[name] != sources[name]:
                raise self.changed(name)

    def changed(self, source: str) -> SegbenchError:
        """Return the refusal of a run that was begun with another source than is there now.

        Args:
            source: One of those that :meth:`begin_sources` records.
        """
        what, refusal = _SOURCES[source]
        return refusal(f"{self.path}: {what} changed since this run began; start again with rerun=true")

    def finish(self) -> None:
        """Record that the run is done."""
        self._write_status(state="done", reason=None, exit_code=0, finished=_now())

    def fail(self, reason: str, exit_code: int, of_data: bool = False) -> None:
        """Record why the run stopped, and whether any run on its data would; it can be started again."""
        self._write_status(state="failed", reason=reason, exit_code=exit_code, of_data=of_data, finished=_now())

    def prune(self, reason: str) -> None:
        """Record that and why the run was stopped as hopeless."""
        self._write_status(state=PRUNED, reason=reason, exit_code=0, finished=_now())

    def clear(self) -> None:
        """Remove everything but the lock and the logs, for a run that starts from nothing."""
        for entry in self.path.iterdir():
            # In a sweep console.log is this very process's output: removed, its last words would go nowhere.
            if entry.name in (".lock", "train.log", "console.log"):
                continue
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        for folder in (self.checkpoints, self.figures):
            folder.mkdir()

    def _own_identity(self) -> dict[str, Any]:
        known = self.identity()
        if known and known.get("schema") != SCHEMA:
            raise CheckpointError(f"{self.path}: {other_schema(known)}; train it again with rerun=true")
        return known

    def _write_status(self, **changes: Any) -> None:
        status = self._status()
        status.update(changes, host=socket.gethostname(), pid=os.getpid())
        write_json(self.path / "status.json", status)


def _identity(value: Any) -> dict[str, Any]:
    """Return a ``run.json`` whose parts are what the run's continuation relies on.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    git = value.get("git") or {}
    if not isinstance(git, dict) or not isinstance(git.get("own", {}), dict):
        raise ValueError("git is not what a run records of its code")
    for name in ("wandb_id", *_SOURCES):
        if not isinstance(value.get(name, ""), str):
            raise ValueError(f"{name} is not a text")
    return value


def other_schema(known: dict[str, Any], file: str = "run.json") -> str:
    """Say in which layout a file of a run was written, where that is not :data:`SCHEMA`."""
    return f"{file} has schema {known.get('schema')!a:.40}, this version of segbench reads {SCHEMA}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
