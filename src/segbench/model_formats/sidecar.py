"""``model.json``: what an exported network takes and gives, for people, for other programs, and for segbench.

Like a checkpoint it may come from anyone, so it is a closed record of plain values.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from segbench.data.input_format import Positive, Side
from segbench.errors import CheckpointError
from segbench.prediction_record import PredictionRecord, read_record
from segbench.runs import bounded
from segbench.runs.files import write_json
from segbench.words import first_line

SIDECAR = "model.json"
# The layout of the sidecar: another one is refused, not guessed at.
SCHEMA: Final = 1
# What a model file may be long: what ONNX can hold in one file, which no network here comes near.
LARGEST = 2 * bounded.KILO * bounded.MEGA
IMAGE: Final = "image"
LOGITS: Final = "logits"
Share = Annotated[float, Field(ge=0)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Graph(_Closed):
    """Inputs and outputs of a file that computes by itself: float32 (B,C,H,W) pixels to float32 (B,K,H,W) logits.

    Attributes:
        input, output: Names of the two.
        channels: C.
        largest_value: Pixels are 0 to this, as files hold them: the graph normalises them itself.
        batch, height, width: What they must be; None for any, of the sides any multiple of ``multiple_of``.
        multiple_of: What sides must be divisible by.
        padding: How an image of other sides is brought to such.
        opset: Version of ONNX's operators; None for other formats.
    """

    input: Literal["image"] = IMAGE
    output: Literal["logits"] = LOGITS
    channels: Annotated[int, Field(gt=0, le=64)]
    largest_value: Positive
    batch: Literal[1] | None
    height: Side | None
    width: Side | None
    multiple_of: Annotated[int, Field(gt=0, le=4096)]
    padding: Literal["below and right, by the last row and column; the logits are cropped"] = (
        "below and right, by the last row and column; the logits are cropped"
    )
    opset: Annotated[int, Field(gt=0, le=1000)] | None = None


class Decision(_Closed):
    """How logits become classes.

    Attributes:
        activation: ``softmax`` over the classes, or ``sigmoid`` of each logit.
        rule: ``argmax``: the class of the largest logit; ``threshold``: a class where its probability exceeds
            ``threshold``, of two classes the second one.
        threshold: A probability; 0.5 is a logit of 0. None for ``argmax``.
    """

    activation: Literal["softmax", "sigmoid"]
    rule: Literal["argmax", "threshold"]
    threshold: Annotated[float, Field(gt=0, lt=1)] | None


class Check(_Closed):
    """How far the file's outputs are from the run's own.

    Attributes:
        images: What both were given.
        logits, probabilities: The largest difference; of logits in units of the largest one, where that is above 1.
        limit: What neither may exceed.
        decisions: How many decisions were held against those of the run in its own precision.
        otherwise: How many of them differ.
    """

    images: Annotated[str, Field(max_length=1024)]
    logits: Share
    probabilities: Share
    limit: Share
    decisions: Annotated[int, Field(ge=0)]
    otherwise: Annotated[int, Field(ge=0)]


class Sidecar(_Closed):
    """What lies beside an exported network.

    Attributes:
        schema_version: :data:`SCHEMA`.
        format: ``onnx``, ``torchscript`` or ``safetensors``.
        file, sha256: The model file, beside the sidecar.
        graph: Inputs and outputs; None for weights alone.
        decision: How its logits become classes.
        check: What it was held against.
        run: Identity of the run.
        versions: Of segbench and of the packages that made the file.
        prediction: How files become inputs and predictions masks; with windows, class names, values and colours.
    """

    schema_version: Literal[1] = SCHEMA
    format: Literal["onnx", "torchscript", "safetensors"]
    file: Annotated[str, Field(pattern=r"^model\.[a-z]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    graph: Graph | None
    decision: Decision
    check: Check | None
    run: Annotated[str, Field(max_length=255)]
    versions: Annotated[dict[str, str], Field(max_length=32)]
    prediction: PredictionRecord

    def write(self, folder: Path) -> None:
        """Write it into a folder, atomically.

        Raises:
            OSError: If the folder cannot be written.
        """
        write_json(folder / SIDECAR, self.model_dump(mode="json"))

    def content(self, folder: Path) -> bytes:
        """Return the model file beside the sidecar.

        Raises:
            CheckpointError: If it is missing, too large, or not the file that the sidecar tells of.
        """
        path = folder / self.file
        try:
            found = bounded.read_bytes(path, folder, LARGEST)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path}: {first_line(error)}; export the run again") from error
        if digest(found) != self.sha256:
            raise CheckpointError(
                f"{path}: damaged or exchanged (its SHA-256 is not that in {SIDECAR}); export the run again"
            )
        return found


def digest(content: bytes) -> str:
    """Return the SHA-256 of a model file."""
    return hashlib.sha256(content).hexdigest()


def read_sidecar(folder: Path) -> Sidecar:
    """Return what lies beside an exported network.

    Raises:
        CheckpointError: If it is missing, damaged or of another layout; names the part.
    """
    path = folder / SIDECAR
    try:
        found: Any = bounded.read_json(path)
        if not isinstance(found, dict):
            raise ValueError("it is no description of a model")
        if found.get("schema_version") != SCHEMA:
            raise ValueError(f"its schema_version is {found.get('schema_version')!a:.20}, not {SCHEMA}")
        record = read_record(found.get("prediction"), lists=True)
        # As JSON, whose lists are the record's tuples.
        return Sidecar.model_validate_json(json.dumps(found | {"prediction": record.model_dump(mode="json")}))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise CheckpointError(f"{path}: {place}: {fault['msg']:.200}; export the run again") from None
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {first_line(error):.200}; export the run again") from error
