"""A trained network from a file of anyone, predicting: what the file says is data, and none of it is executed."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segbench.data.dataset import Normalise
from segbench.data.input_format import InputFormat
from segbench.data.pictures import Picture, picture_of
from segbench.errors import CheckpointError, ConfigError
from segbench.masks import MaskKey
from segbench.model_formats import Trained, open_trained
from segbench.targets import find_class, own_class
from segbench.tasks import SegmentationTask, Task
from segbench.tasks.inference import masks_of, predict_on_grid
from segbench.tasks.windows import Windows

log = logging.getLogger("segbench")


class Predicting(Protocol):
    """A trained network, or several that agree, with what is known of its images and classes."""

    @property
    def inputs(self) -> InputFormat:
        """How files become inputs."""

    @property
    def key(self) -> MaskKey:
        """How to read the masks that are predicted."""

    @property
    def stored(self) -> tuple[int | str, ...] | None:
        """The value or ``#RRGGBB`` by which training masks store each class; None if they store something else."""

    @property
    def objects(self) -> tuple[int, ...]:
        """The classes that consist of objects."""

    def probabilities(self, picture: Picture) -> NDArray[np.float32]:
        """Return the probabilities of all classes on the file's own grid, (Z,K,H,W), a background first."""

    def masks(self, probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the mask of every slice, uint8 (Z,H,W), as the key reads it, from probabilities (Z,K,H,W)."""


@dataclass
class Predictor:
    """A trained network with what it knows of its data.

    Attributes:
        task: The task, in evaluation, on its device.
        inputs: How files become inputs.
        key: How to read the masks that are predicted.
        normalise: From pixels in the data set's stored scale to the network's.
        precision: As trained: of ``trainer.precision``.
        batch_size: Slices of a volume at a time.
        stored, objects: See :class:`Predicting`.
    """

    task: Task[Any]
    inputs: InputFormat
    key: MaskKey
    normalise: Normalise
    precision: Any
    batch_size: int = 8
    stored: tuple[int | str, ...] | None = None
    objects: tuple[int, ...] = ()

    @classmethod
    def load(
        cls,
        run: str | os.PathLike[str],
        device: torch.device | None = None,
        batch_size: int = 8,
        windows: Windows | None = None,
        trust: bool = False,
        tta: Literal["auto", "flips", "none"] = "auto",
    ) -> Predictor:
        """Load a run's best weights; what the checkpoint says is data, and none of it is executed.

        Args:
            run: A run, its directory, one of its checkpoints, or the folder of an export.
            device: Where to predict; None for a GPU if there is one.
            batch_size: Slices of a volume at a time.
            windows: Windows by which images are predicted at their own size; None predicts them as they were scored.
            trust: Whether classes that the checkpoint names may be anyone's; their modules are then imported.
            tta: Whether mirrored predictions are averaged (``flips``); ``auto`` as they were scored.

        Raises:
            CheckpointError: If there is no whole checkpoint, or it does not describe a network of segbench.
            ConfigError: If it needs ``trust``, or its task has no masks.
        """
        return cls.of(open_trained(Path(run)), Path(run), device, batch_size, windows, trust, tta)

    @classmethod
    def of(
        cls,
        trained: Trained,
        run: Path,
        device: torch.device | None = None,
        batch_size: int = 8,
        windows: Windows | None = None,
        trust: bool = False,
        tta: Literal["auto", "flips", "none"] = "auto",
    ) -> Predictor:
        """Return what predicts by a network that is open; the arguments are those of :meth:`load`.

        Args:
            trained: The network.
            run: Where it comes from, for messages.
            device: See :meth:`load`.
            batch_size: See there.
            windows: See there.
            trust: See there.
            tta: See there.

        Raises:
            CheckpointError, ConfigError: As :meth:`load`.
        """
        record = trained.record
        _say_what_is_trusted(trained, run, trust)
        try:
            network = trained.network(trust)
        except CheckpointError as error:
            raise CheckpointError(f"run={run}: {error}") from error
        task: Task[Any] = find_class("task", record.task)(
            network,
            class_names=record.class_names,
            background=record.background,
            channels_last=record.channels_last,
            windows=windows or record.used_windows(),
            flips=(record.tta if tta == "auto" else tta) == "flips",
        )
        inputs = record.inputs if windows is None else replace(record.inputs, size=None)
        facts = record.mask_key, trained.normalise(), record.precision, batch_size, record.stored, record.objects
        return cls(task.eval().to(device or choose_device("auto")), inputs, *facts)

    def __call__(self, image: str | os.PathLike[str] | NDArray[Any]) -> NDArray[np.uint8]:
        """Return the mask of an image on its own grid, uint8: class indices (H,W), of a volume (Z,H,W).

        Args:
            image: A file, read as the training images were; or pixels (H,W) or (H,W,C) as such a file holds them, for
                networks that were trained on 8-bit images.

        Raises:
            DataError: If it is not an input of this network.
        """
        picture = picture_of(image, self.inputs)
        masks = self.masks(self.probabilities(picture))
        return masks if picture.volume is not None else masks[0]

    def probabilities(self, picture: Picture) -> NDArray[np.float32]:
        """Return the probabilities of all classes on the file's own grid, (Z,K,H,W), a background first."""
        images = torch.stack([self.normalise(part) for part in picture.inputs()])
        return predict_on_grid(self.task, images, picture.plane, self.precision, self.batch_size)

    def masks(self, probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the mask of every slice, uint8 (Z,H,W), as the data's key reads it, from probabilities (Z,K,H,W)."""
        return masks_of(self.task, probabilities)


def _say_what_is_trusted(trained: Trained, run: Path, trust: bool) -> None:
    """Refuse classes that are not ours, or say which modules are imported for them."""
    record, named = trained.record, dict.fromkeys(trained.named_classes())
    ours = [own_class("segbench.models", record.network, nn.Module) and record.network]
    ours += [own_class("segbench.tasks", record.task, SegmentationTask) and record.task]
    others = [name for name in named if name not in ours]
    if others and not trust:
        raise ConfigError(
            f"run={run}: names {', '.join(others):.200}, which is not segbench's; trust=true imports and executes it"
        )
    if others:
        log.warning("trust=true: importing %s", ", ".join(others))


def choose_device(accelerator: str) -> torch.device:
    """Return the device of ``auto``, ``cpu`` or ``gpu``.

    Raises:
        ConfigError: If it is not there.
    """
    if accelerator == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("accelerator=gpu: there is no GPU here; use accelerator=cpu")
    if accelerator not in ("cpu", "gpu"):
        raise ConfigError(f"accelerator={accelerator}: choose auto, cpu or gpu")
    return torch.device("cuda" if accelerator == "gpu" else "cpu")
