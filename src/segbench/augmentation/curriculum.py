"""Curriculum: augmentation that gets harder when a validation score has got far enough."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.augmentation.pipeline import Augmentation, Moved
from segbench.augmentation.stages import CurriculumStages, Stage
from segbench.errors import ConfigError
from segbench.suggest import nearest


class Curriculum(Augmentation):
    """An augmentation in stages, easy ones first. It is told the stage of each sample.

    So it works with any number of workers. Which stage training is at is kept by its callback
    (:class:`segbench.augmentation.stages.CurriculumStages`), which is saved and resumed.

    Source: Bengio, Louradour, Collobert, Weston, "Curriculum Learning", ICML 2009.

    Args:
        stages: In order, each with ``augmentation``; all but the first also with ``monitor`` and ``threshold``. If
            they are named (a mapping), the names serve to change them from the command line:
            ``augmentation.stages.elastic.threshold=0.8``.

    Attributes:
        stages: The stages, the first one being number 0.
        copies: Those of every stage.
        transforms: Those of all stages together.

    Raises:
        ConfigError: If there is no stage, a stage lacks a key or has one too many, or if stages have different copies:
            the size of the training set, and with it that of an epoch, would change in training.
    """

    def __init__(self, stages: Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]]) -> None:
        named = list(stages.items()) if isinstance(stages, Mapping) else list(enumerate(stages))
        if not named:
            raise ConfigError("augmentation.stages: there are none; name at least one")
        self.stages = tuple(_stage(str(name), place, settings) for place, (name, settings) in enumerate(named))
        first = self.stages[0].augmentation
        for stage in self.stages:
            if _identity(stage.augmentation) != _identity(first):
                raise ConfigError(
                    f"augmentation.stages.{stage.name}: its copies are not those of the first stage; an epoch would "
                    "change its size in training: give all stages the same copies"
                )
        super().__init__(copies=first.copies)
        self.transforms = list(chain.from_iterable(stage.augmentation.transforms for stage in self.stages))
        self._progress = CurriculumStages(self.stages)

    @property
    def stage(self) -> int:
        """The stage that training is at, from 0."""
        return self._progress.stage

    def callbacks(self) -> list[pl.Callback]:
        """Return what begins the stages."""
        self._progress = CurriculumStages(self.stages)
        return [self._progress]

    def check(self, scores: Collection[str], data: str) -> None:
        """Refuse stages that wait for a score that does not come."""
        if not scores:
            raise ConfigError(
                "data.fit_on=train+val: stages of a curriculum wait for validation scores; use fit_on=train"
            )
        for stage in self.stages[1:]:
            if stage.monitor not in scores:
                raise ConfigError(
                    f"augmentation.stages.{stage.name}.monitor={stage.monitor}: {data} has no such score"
                    f"{nearest(str(stage.monitor), scores)}"
                )

    def move(
        self,
        image: NDArray[Any],
        mask: NDArray[np.uint8],
        planes: Mapping[str, NDArray[Any]],
        seed: int,
        stage: int = 0,
    ) -> Moved:
        """Return image, mask and planes as the augmentation of a stage (0 for the first) makes them."""
        return self.stages[stage].augmentation.move(image, mask, planes, seed)


def _identity(augmentation: Augmentation) -> list[tuple[type, str]]:
    """Return what tells an augmentation's copies from others."""
    return [(type(copy), copy.name) for copy in augmentation.copies]


def _stage(name: str, place: int, settings: Mapping[str, Any]) -> Stage:
    """Return a stage, refusing what does not fit its place."""
    key = f"augmentation.stages.{name}"
    needed = {"augmentation", "monitor", "threshold"} if place else {"augmentation"}
    missing, excess = sorted(needed - set(settings)), sorted(set(settings) - needed)
    if missing:
        raise ConfigError(f"{key}: {' and '.join(missing)} missing; a stage {'behind another ' * bool(place)}needs it")
    if excess:
        why = "a stage has no such key" if place else "the first stage waits for nothing"
        raise ConfigError(f"{key}.{excess[0]}: {why}; leave it out")
    stage = Stage(name, **settings)
    if not isinstance(stage.augmentation, Augmentation) or isinstance(stage.augmentation, Curriculum):
        raise ConfigError(f"{key}.augmentation: must be a segbench.augmentation.Augmentation (none.yaml for none)")
    if place and not isinstance(stage.monitor, str):
        raise ConfigError(f"{key}.monitor={stage.monitor}: must be the name of a score, such as val/loss")
    if place and (not isinstance(stage.threshold, Real) or not math.isfinite(stage.threshold)):
        raise ConfigError(f"{key}.threshold={stage.threshold}: must be a number")
    return stage
