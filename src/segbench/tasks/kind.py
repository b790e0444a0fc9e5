"""What a task says as a class, before it is built: which parts fit it, and which scores it gives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from omegaconf import DictConfig

from segbench.errors import ConfigError
from segbench.scores.columns import ColumnScore
from segbench.targets import find_class
from segbench.tasks.windows import Windows

# What a network is for that does not say it.
_UNSAID = "segmentation"


class TaskData(Protocol):
    """What a task asks of a data module before anything of it is read; see :class:`segbench.data.base.ImageData`."""

    @property
    def name(self) -> str:
        """Name of the data set."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes."""

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns into which training images are cut."""

    def declared_scores(self) -> tuple[ColumnScore, ...]:
        """Return the scores that follow from further columns."""

    def column_scores(self) -> Mapping[str, Sequence[str]]:
        """Return the scores from further columns, with the classes that have them."""


class TaskKind:
    """A task's own record; another task is a class with its answers.

    Attributes:
        name: What scores files and their reader (:class:`segbench.runs.split_scores.TaskRecord`) call it.
        networks: The ``task`` of the networks that it trains; a network without that attribute is for segmentation.
        losses: What the losses that fit it name among their ``tasks``.
        example, example_loss: Such a network and such a loss among the choices of ``model`` and ``loss``, for refusals.
        headline: The score that is shown while training, of :meth:`metric_names`.
        has_masks: Whether labels and predictions are masks, to be shown and written as such; else they stand with the
            scores alone.
        outside: Probability of the first class outside an image: 1 for a background.
    """

    name: ClassVar[str]
    networks: ClassVar[str]
    losses: ClassVar[str]
    example: ClassVar[str]
    example_loss: ClassVar[str] = "ce"
    headline: ClassVar[str]
    has_masks: ClassVar[bool] = True
    outside: ClassVar[float] = 1.0

    @classmethod
    def trains(cls, network: type) -> bool:
        """Say whether this class, among the tasks of a data module, is the one that trains a network of a class."""
        return True

    @classmethod
    def check(cls, cfg: DictConfig, data: TaskData) -> None:
        """Refuse a network or a loss that is for another task.

        Args:
            cfg: The whole configuration.
            data: The data module; nothing of it is read.

        Raises:
            ConfigError: Names the key and what to set.
        """
        network, loss = (find_class(section, cfg[section]["_target_"]) for section in ("model", "loss"))
        kind = getattr(network, "task", _UNSAID)
        if kind != cls.networks:
            raise ConfigError(
                f"model: {network.__name__} is for {kind}, data={data.name} for {cls.networks}; use model={cls.example}"
            )
        if cls.losses not in getattr(loss, "tasks", ()):
            raise ConfigError(
                f"loss: {loss.__name__} is not for {cls.losses} (data={data.name}); use loss={cls.example_loss}"
            )

    @classmethod
    @abstractmethod
    def count_outputs(cls, activation: str, data: TaskData) -> int:
        """Return K, the channels of the logits.

        Args:
            activation: ``auto``, ``sigmoid`` or ``softmax``.
            data: The data module; nothing of it is read.

        Raises:
            ConfigError: If the activation does not fit the classes.
        """

    @classmethod
    def count_joint_outputs(cls, activation: str, data: TaskData) -> int:
        """Return how many of the K logits share one decision, which is what a loss is asked to fit: all of them."""
        return cls.count_outputs(activation, data)

    @classmethod
    def options(cls, cfg: DictConfig, data: TaskData, windows: Windows | None = None) -> dict[str, Any]:
        """Return the constructor's arguments that are this task's own.

        Args:
            cfg: The whole configuration.
            data: The data module; nothing of it is read.
            windows: Windows to predict by instead of those of the configuration.
        """
        return {}

    @classmethod
    @abstractmethod
    def metric_names(cls, class_names: Sequence[str], background: bool = True) -> list[str]:
        """Return what every validation gives and can be monitored: ``val/loss``, and scores better when higher.

        Args:
            class_names: Names of all classes.
            background: Whether class 0 of a segmentation is a background.
        """

    @classmethod
    @abstractmethod
    def scores(cls, data: TaskData) -> dict[str, Sequence[str]]:
        """Return every score that can be derived of the final evaluation, with the classes that have one of their own.

        Args:
            data: The data module; nothing of it is read.
        """
