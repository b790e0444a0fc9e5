"""A trained network from a file of anyone, whatever its format: what the file says is data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from segbench.data.dataset import Normalise
from segbench.environment import bounded_memory
from segbench.errors import CheckpointError, ConfigError
from segbench.model_formats.formats import FORMATS
from segbench.model_formats.sidecar import SIDECAR, Sidecar, read_sidecar
from segbench.models.stored import stored_network
from segbench.prediction_record import PredictionRecord, read_record
from segbench.runs.bounded import MEMORY
from segbench.runs.checkpoint_io import load_checkpoint, network_weights, run_of
from segbench.runs.directory import BEST, SCHEMA, other_schema
from segbench.tasks import ClassificationTask
from segbench.words import plural


class Trained(Protocol):
    """A trained network as a file holds it.

    Attributes:
        record: How to predict by it.
        run: Identity of the run that trained it; empty if that is not known.
    """

    @property
    def record(self) -> PredictionRecord:
        """How to predict by it."""

    @property
    def run(self) -> str:
        """Identity of the run that trained it; empty if that is not known."""

    def normalise(self) -> Normalise:
        """Return how pixels as files hold them become what the network takes."""

    def named_classes(self) -> list[str]:
        """Return the classes, ``<module>.<class>``, that predicting by it imports."""

    def network(self, trust: bool) -> nn.Module:
        """Build the network, with its weights.

        Args:
            trust: Whether the classes that it names may be anyone's.

        Raises:
            CheckpointError: If the file does not hold it.
            ConfigError: If it needs ``trust``.
        """


@dataclass(frozen=True)
class StoredCheckpoint:
    """A network in a checkpoint.

    Attributes:
        record, run: See :class:`Trained`.
        path: The file.
        stored: What it holds.
    """

    record: PredictionRecord
    run: str
    path: Path
    stored: dict[str, Any]

    def normalise(self) -> Normalise:
        """Return the normalisation of the training images."""
        return self.record.normalise()

    def named_classes(self) -> list[str]:
        """Return the classes of network and task, and of what the network's arguments name."""
        return self.record.named_classes()

    def network(self, trust: bool) -> nn.Module:
        """Build the network that the record describes, and fill it."""
        weights = network_weights(self.stored, self.path.name)
        channels = self.record.inputs.channels, self.record.logits
        # A network may have large tables besides its weights.
        with bounded_memory(self.path.stat().st_size + MEMORY):
            return stored_network(self.record.network, self.record.arguments, channels, weights, trust)


@dataclass(frozen=True)
class StoredExport:
    """A network in an exported file.

    Attributes:
        sidecar: What lies beside the file.
        content: The file.
    """

    sidecar: Sidecar
    content: bytes

    @property
    def record(self) -> PredictionRecord:
        """How to predict by it."""
        return self.sidecar.prediction

    @property
    def run(self) -> str:
        """Identity of the run that trained it."""
        return self.sidecar.run

    def normalise(self) -> Normalise:
        """Return what is left to normalise outside of the file."""
        return FORMATS[self.sidecar.format].normalise(self.record)

    def named_classes(self) -> list[str]:
        """Return the classes that predicting with a file of its format imports."""
        return FORMATS[self.sidecar.format].named_classes(self.record)

    def network(self, trust: bool) -> nn.Module:
        """Return the network that the file holds."""
        return FORMATS[self.sidecar.format].network(self.content, self.sidecar, trust)


def open_trained(run: Path) -> Trained:
    """Open a trained network; nothing of the file is executed.

    Args:
        run: A run's directory, one of its checkpoints, or the folder of an export.

    Raises:
        CheckpointError: If there is no whole file, or it does not describe a network of segbench.
        ConfigError: If its task has no masks.
    """
    if (run / SIDECAR).is_file():
        sidecar = read_sidecar(run)
        return StoredExport(sidecar, sidecar.content(run))
    path = run / "checkpoints" / BEST if run.is_dir() else run
    if not path.is_file():
        raise CheckpointError(f"run={run}: {_nothing_there(run, path)}")
    stored = load_checkpoint(path)
    return StoredCheckpoint(_record(stored, run, path), run_of(stored) or "", path, stored)


def _nothing_there(run: Path, path: Path) -> str:
    """Say what is there instead of a run with a trained network, and what to name."""
    if str(run).startswith("["):
        return "one network is asked for; name one of these runs"
    below = sorted(run.glob(f"*/checkpoints/{BEST}")) if run.is_dir() else []
    if below:
        first = below[0].parent.parent
        return f"{plural(len(below), 'run')} below it; name one, as {first}, or predict by ensemble={run}"
    return f"no run with a trained network there (looked for {path})"


def _record(stored: dict[str, Any], run: Path, path: Path) -> PredictionRecord:
    """Return what a checkpoint says of how to predict."""
    known = stored.get("segbench")
    if not isinstance(known, dict) or "schema" not in known:
        raise CheckpointError(f"run={run}: {path} describes no network; it was not written by segbench")
    if type(known["schema"]) is not int or known["schema"] != SCHEMA:
        raise CheckpointError(f"run={run}: {other_schema(known, path.name)}; train the run again with rerun=true")
    if known.get("task") == ClassificationTask.name:
        raise ConfigError(
            f"run={run}: trained for {ClassificationTask.name}; masks are predicted by segmentation networks only"
        )
    try:
        return read_record(known.get("prediction"))
    except CheckpointError as error:
        raise CheckpointError(f"run={run}: {path.name}: {error}") from error
