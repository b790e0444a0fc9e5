"""What a checkpoint says of its network so that new images can be predicted: a closed record of plain values.

A checkpoint may come from anyone, so nothing in the record is a configuration: it is neither interpolated nor
instantiated. Every field has a type and limits, and a class is named, never described.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

import numpy as np
from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from segbench.data.base import ImageData
from segbench.data.dataset import Normalise
from segbench.data.input_format import Finite, InputFormat, Positive, Side
from segbench.errors import CheckpointError
from segbench.masks import BITS, INDICES, MOST_BITS, MaskKey
from segbench.models.stored import without_sources
from segbench.targets import targets_in
from segbench.tasks.base import Task
from segbench.tasks.windows import Windows

log = logging.getLogger("segbench")

# What of a section of the configuration is no argument of its class.
_HYDRA = ("_target_", "_convert_", "_recursive_")
_DEEPEST, _MOST_VALUES, _LONGEST, _LARGEST = 8, 4096, 1024, 1 << 20
Name = Annotated[str, Field(min_length=1, max_length=255)]
Colour = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]
StoredValue = Annotated[int, Field(ge=0, le=65_535)]
ClassIndex = Annotated[int, Field(ge=0, le=254)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class WindowsRecord(_Closed):
    """How images are cut for prediction; see :class:`segbench.tasks.windows.Windows`."""

    size: tuple[Side, Side] | None
    tiles: tuple[Side, Side] | None
    overlap: Annotated[float, Field(ge=0, le=0.95)]

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.size is None) == (self.tiles is None):
            raise ValueError("either size or tiles")
        return self


class PredictionRecord(_Closed):
    """What prediction needs besides the weights.

    Attributes:
        network: The network's class, ``<module>.<class>``.
        arguments: Its arguments besides the channels.
        logits: K, channels of its output.
        task: The task's class, ``<module>.<class>``.
        windows: Windows to predict by; None for whole images.
        precision: ``trainer.precision``.
        channels_last: Whether the network is fed NHWC memory.
        inputs: How files become inputs.
        mean, std: Of each channel of training images scaled to [0,1].
        class_names: Names of the C classes.
        overlapping: Whether a pixel may have several classes.
        background: Whether class 0 is a background.
        class_colours: Of every class; None for the project's.
        stored: The value or colour by which training masks store each class; None if they store something else.
        objects: The classes that consist of objects.
        tta: ``flips`` if mirrored predictions were averaged for the scores.
    """

    network: Name
    arguments: dict[Name, Any]
    logits: Annotated[int, Field(gt=0, le=255)]
    task: Name
    windows: WindowsRecord | None
    precision: Literal[32, "bf16-mixed", "16-mixed"]
    channels_last: bool
    inputs: InputFormat
    mean: Annotated[tuple[Finite, ...], Field(min_length=1, max_length=64)]
    std: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=64)]
    class_names: Annotated[tuple[Name, ...], Field(min_length=1, max_length=255)]
    overlapping: bool
    background: bool
    class_colours: Annotated[tuple[Colour, ...], Field(max_length=255)] | None
    # What checkpoints of before do not say.
    stored: Annotated[tuple[StoredValue, ...] | tuple[Colour, ...], Field(max_length=255)] | None = None
    objects: Annotated[tuple[ClassIndex, ...], Field(max_length=255)] = ()
    tta: Literal["flips"] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        classes = len(self.class_names)
        if not len(self.mean) == len(self.std) == self.inputs.channels:
            raise ValueError(f"mean and std must have a value for each of {self.inputs.channels} channels")
        if self.logits != classes and not (self.logits == 1 and classes == 2 and not self.overlapping):
            raise ValueError(f"{self.logits} logits do not fit {classes} classes")
        if self.overlapping and (self.background or classes > MOST_BITS):
            raise ValueError(f"overlapping classes are at most {MOST_BITS}, without a background")
        if self.class_colours is not None and len(self.class_colours) != classes:
            raise ValueError("class_colours must have a colour for each class")
        self._check_stored(classes)
        for name in self.arguments:
            if name.startswith("_") or name in ("in_channels", "out_channels"):
                raise ValueError(f"arguments.{name:.40}: not a further argument of a network")
        return self

    def _check_stored(self, classes: int) -> None:
        if self.stored is not None and (self.overlapping or len(self.stored) != classes):
            raise ValueError("stored must have a value for each class, of classes that do not overlap")
        if self.stored is not None and len({str(value).upper() for value in self.stored}) < classes:
            raise ValueError("stored must have another value for each class")
        if any(index >= classes for index in self.objects):
            raise ValueError(f"objects must be of the {classes} classes")

    @property
    def mask_key(self) -> MaskKey:
        """How to read predicted masks."""
        form = BITS if self.overlapping else INDICES
        return MaskKey(self.class_names, form, self.background, self.class_colours)

    def normalise(self) -> Normalise:
        """Return how pixels as files hold them become what the network was trained on."""
        return Normalise(np.asarray(self.mean), np.asarray(self.std), self.inputs.scale)

    def used_windows(self) -> Windows | None:
        """Return the windows to predict by; None for whole images."""
        return None if self.windows is None else Windows(**self.windows.model_dump())

    def named_classes(self) -> list[str]:
        """Return every class that is named: network, task, and what the arguments name by ``_target_``."""
        return [self.network, self.task, *(target for _, target in targets_in(self.arguments, ""))]


def describe_prediction(cfg: DictConfig, data: ImageData, task: Task[Any]) -> dict[str, Any] | None:
    """Return the record of a run, as plain values; None for a task without masks.

    A run that cannot be described is trained and scored all the same, and a warning says why.

    Args:
        cfg: The whole configuration.
        data: The data module, set up.
        task: The task that is trained.
    """
    if not task.has_masks:
        return None
    try:
        found = _describe(cfg, data, task)
        read_record(found)
    except (ValidationError, ValueError, CheckpointError) as error:
        log.warning("no masks of new images can be predicted with this run: %s", _faults(error))
        return None
    return found


def _describe(cfg: DictConfig, data: Any, task: Any) -> dict[str, Any]:
    key: MaskKey = data.mask_key
    if key.form not in (BITS, INDICES):
        raise ValueError(f"{type(key.form).__name__} is a form of masks that it does not know")
    settings: Any = OmegaConf.to_container(cfg.model, resolve=True)
    arguments = {name: value for name, value in settings.items() if name not in _HYDRA}
    windows = task.windows
    record = PredictionRecord(
        network=_name_of(type(task.network)),
        # What a network was planned for is not in the configuration.
        arguments=without_sources(arguments | getattr(task.network, "planned", {})),
        logits=type(task).count_outputs(cfg.activation, data),
        task=_name_of(type(task)),
        windows=windows and WindowsRecord(size=windows.size, tiles=windows.tiles, overlap=windows.overlap),
        precision=cfg.trainer.precision,
        channels_last=cfg.trainer.channels_last,
        inputs=data.input_format(),
        mean=tuple(float(value) for value in data.mean),
        std=tuple(float(value) for value in data.std),
        class_names=key.names,
        overlapping=key.form.overlapping,
        background=key.background,
        class_colours=key.colours,
        stored=data.stored_values(),
        objects=tuple(key.names.index(name) for name in data.told_apart()),
        tta=cfg.predict.tta,
    )
    return record.model_dump()


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def read_record(value: Any, lists: bool = False) -> PredictionRecord:
    """Return a record from what a checkpoint, or a file of JSON, holds.

    Args:
        value: Anything that :func:`torch.load` gives with ``weights_only``, or JSON.
        lists: Whether tuples may be lists, as JSON has no others.

    Raises:
        CheckpointError: If it is not a record, or a part of it is not allowed; names the part.
    """
    if not isinstance(value, dict):
        raise CheckpointError("holds no record of how to predict; it was not written by segbench")
    plain = _plain(value, "", 0, iter(range(_MOST_VALUES)))
    try:
        if lists:
            return PredictionRecord.model_validate_json(json.dumps(plain))
        if isinstance(inputs := plain.get("inputs"), dict):
            plain["inputs"] = InputFormat(**inputs)
        return PredictionRecord.model_validate(plain)
    # A key may be the name of what a constructor calls itself.
    except (ValidationError, TypeError) as error:
        raise CheckpointError(f"its record of how to predict is not usable: {_faults(error)}") from None


def _plain(value: Any, place: str, depth: int, budget: Iterator[int]) -> Any:
    """Return a copy of plain values, within limits of nesting, number and size."""
    if next(budget, None) is None or depth > _DEEPEST:
        limit = f"nested more than {_DEEPEST} deep" if depth > _DEEPEST else f"more than {_MOST_VALUES:,} values"
        raise CheckpointError(f"its record of how to predict is not usable: {place or 'it'} is {limit}")
    if type(value) is dict:
        for name in value:
            _check_plain(name, f"a key of {place or 'it'}", str)
        inner = {name: f"{place}.{name:.40}".lstrip(".") for name in value}
        return {name: _plain(item, inner[name], depth + 1, budget) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(item, f"{place}[{index}]", depth + 1, budget) for index, item in enumerate(value))
    _check_plain(value, place, str, int, float, bool, type(None))
    return value


def _check_plain(value: Any, place: str, *kinds: type) -> None:
    fault = None
    if type(value) not in kinds:
        fault = f"of type {type(value).__name__}, no {'text' if kinds == (str,) else 'plain value'}"
    elif isinstance(value, str) and (len(value) > _LONGEST or not value.isprintable()):
        fault = f"no printable text of at most {_LONGEST:,} letters"
    elif isinstance(value, str) and "${" in value:
        fault = f"an interpolation ({value!a:.60}), which is not resolved"
    elif isinstance(value, float) and not math.isfinite(value):
        fault = f"{value}, not finite"
    elif isinstance(value, int) and abs(value) > _LARGEST:
        fault = f"larger than {_LARGEST:,}"
    if fault:
        raise CheckpointError(f"its record of how to predict is not usable: {place} is {fault}")


def _faults(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    found = [
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}".removeprefix(": ")
        for fault in error.errors(include_url=False, include_input=False)
    ]
    return f"{'; '.join(found[:3]):.400}{f' and {len(found) - 3} more' if len(found) > 3 else ''}"
