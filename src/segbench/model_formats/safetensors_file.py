"""safetensors (https://github.com/huggingface/safetensors): a network's weights as data, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from segbench.data.dataset import Normalise
from segbench.environment import bounded_memory
from segbench.errors import CheckpointError
from segbench.installation import require
from segbench.model_formats.sidecar import Graph, Sidecar
from segbench.models.stored import stored_network
from segbench.prediction_record import PredictionRecord
from segbench.runs.bounded import MEMORY
from segbench.runs.checkpoint_io import checked_weights
from segbench.words import first_line

_EXTRA, _LIBRARY = "safetensors", "safetensors.torch"


class SafetensorsFormat:
    """Weights by their names in the network, which is one of segbench's; see
    :class:`segbench.model_formats.formats.Format`.
    """

    file: ClassVar[str] = "model.safetensors"
    extra: ClassVar[str] = _EXTRA
    packages: ClassVar[Sequence[str]] = ("safetensors",)

    def record(self, record: PredictionRecord) -> PredictionRecord:
        """Return the record itself: the network is the run's, in its precision."""
        return record

    def graphs(self, record: PredictionRecord, stride: int) -> Sequence[Graph | None]:
        """Return that there is no graph."""
        return [None]

    def write(self, network: nn.Module, normalise: Normalise, graph: Graph | None) -> bytes:
        """Return the file of a network's weights, each once for every name that it has."""
        library = require(_LIBRARY, _EXTRA, "to=safetensors")
        weights = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
        content: bytes = library.save(weights, {"format": "pt"})
        return content

    def network(self, content: bytes, sidecar: Sidecar, trust: bool) -> nn.Module:
        """Build the network that the record describes, and fill it.

        Raises:
            CheckpointError: If the file is damaged, or its weights are another network's.
            ConfigError: If the library is not installed, or the classes need ``trust``.
        """
        record = sidecar.prediction
        weights = read_weights(content, f"run: an export to {sidecar.format}", self.file)
        with bounded_memory(len(content) + MEMORY):
            channels = record.inputs.channels, record.logits
            return stored_network(record.network, record.arguments, channels, weights, trust)

    def normalise(self, record: PredictionRecord) -> Normalise:
        """Return the normalisation of the training images."""
        return record.normalise()

    def named_classes(self, record: PredictionRecord) -> list[str]:
        """Return the classes of network and task, and of what the network's arguments name."""
        return record.named_classes()


def read_weights(content: bytes, key: str, place: str) -> dict[str, Tensor]:
    """Return the weights of a file.

    Args:
        content: The file.
        key: What the user typed that needs the library.
        place: The file, for messages.

    Raises:
        CheckpointError: If it is damaged, or a weight is not finite.
        ConfigError: If the library is not installed.
    """
    library = require(_LIBRARY, _EXTRA, key)
    try:
        found = library.load(content)
    except Exception as error:
        raise CheckpointError(f"{place}: not a file of weights ({first_line(error):.200})") from error
    return checked_weights(found, place)
