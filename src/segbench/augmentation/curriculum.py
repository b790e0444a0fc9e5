"""Curriculum: augmentation that gets harder when a validation score reaches a threshold."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.augmentation.pipeline import Augmentation, Augmented
from segbench.augmentation.stages import CurriculumStages, Stage
from segbench.errors import ConfigError
from segbench.suggest import nearest


class Curriculum(Augmentation):
    """An augmentation in stages, easy ones first.

    The stage is an argument for each sample, so any number of workers gives the same samples. The stage of training is
    kept by its callback (:class:`segbench.augmentation.stages.CurriculumStages`), which is saved and resumed.

    Source: Bengio, Louradour, Collobert, Weston, "Curriculum Learning", ICML 2009.

    Args:
        stages: In order, each with ``augmentation``; all but the first also with ``monitor`` and ``threshold``. Named
            stages (a mapping) can be changed from the command line: ``augmentation.stages.elastic.threshold=0.8``.

    Attributes:
        stages: The stages; the first is number 0.
        copies: The copies, which are the same in every stage.
        transforms: The transforms of all stages together.

    Raises:
        ConfigError: If there is no stage, if a stage has a missing or an unknown key, or if stages have different
            copies: the training set, and with it an epoch, would change its size during training.
    """

    def __init__(self, stages: Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]]) -> None:
        named = list(stages.items()) if isinstance(stages, Mapping) else list(enumerate(stages))
        if not named:
            raise ConfigError("augmentation.stages: empty; name at least one stage")
        self.stages = tuple(_stage(str(name), index, settings) for index, (name, settings) in enumerate(named))
        first = self.stages[0].augmentation
        for stage in self.stages:
            if _identity(stage.augmentation) != _identity(first):
                raise ConfigError(
                    f"augmentation.stages.{stage.name}: its copies differ from the first stage's, so the epoch size "
                    "would change during training; give all stages the same copies"
                )
        super().__init__(copies=first.copies)
        self.transforms = list(chain.from_iterable(stage.augmentation.transforms for stage in self.stages))
        self._progress = CurriculumStages(self.stages)

    @property
    def stage(self) -> int:
        """The current stage of training, from 0."""
        return self._progress.stage

    def callbacks(self) -> list[pl.Callback]:
        """Return the callback that starts the stages."""
        self._progress = CurriculumStages(self.stages)
        return [self._progress]

    def check(self, scores: Collection[str], data: str) -> None:
        """Check that validation gives the scores that stages wait for.

        Args:
            scores: The validation scores; empty if there are no validation images.
            data: Name of the data set.

        Raises:
            ConfigError: If it does not; names the stage's key.
        """
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

    def apply(
        self,
        image: NDArray[Any],
        mask: NDArray[np.uint8],
        maps: Mapping[str, NDArray[Any]],
        seed: int,
        stage: int = 0,
    ) -> Augmented:
        """Return image, mask and maps, augmented as in the given stage (0 is the first)."""
        return self.stages[stage].augmentation.apply(image, mask, maps, seed)


def _identity(augmentation: Augmentation) -> list[tuple[type, str]]:
    """Return what identifies an augmentation's copies."""
    return [(type(copy), copy.name) for copy in augmentation.copies]


def _stage(name: str, index: int, settings: Mapping[str, Any]) -> Stage:
    """Return stage number ``index``, or raise a ConfigError if its settings do not fit."""
    key = f"augmentation.stages.{name}"
    needed = {"augmentation", "monitor", "threshold"} if index else {"augmentation"}
    missing, excess = sorted(needed - set(settings)), sorted(set(settings) - needed)
    if missing:
        which = "every stage after the first" if index else "every stage"
        raise ConfigError(f"{key}: {' and '.join(missing)} missing; required in {which}")
    if excess:
        why = "a stage has no such key" if index else "the first stage waits for no score"
        raise ConfigError(f"{key}.{excess[0]}: {why}; remove it")
    stage = Stage(name, **settings)
    if not isinstance(stage.augmentation, Augmentation) or isinstance(stage.augmentation, Curriculum):
        raise ConfigError(f"{key}.augmentation: must be a segbench.augmentation.Augmentation (none.yaml for none)")
    if stage.augmentation.mix is not None:
        raise ConfigError(f"{key}.augmentation.mix: a curriculum does not mix images; remove it")
    if index and not isinstance(stage.monitor, str):
        raise ConfigError(f"{key}.monitor={stage.monitor}: must be the name of a score, such as val/loss")
    if index and (not isinstance(stage.threshold, Real) or not math.isfinite(stage.threshold)):
        raise ConfigError(f"{key}.threshold={stage.threshold}: must be a number")
    return stage
