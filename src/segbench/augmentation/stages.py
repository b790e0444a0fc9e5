"""The stages of a curriculum, and what begins the next one when a validation score has got far enough."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from segbench.augmentation.pipeline import Augmentation
from segbench.configuration.monitor import monitor_mode

log = logging.getLogger("segbench")
STAGE = "augmentation/stage"


@dataclass(frozen=True)
class Stage:
    """A part of training with one augmentation.

    Attributes:
        name: What the configuration calls it: its key, or its place in a list.
        augmentation: What training images go through.
        monitor: The validation score that the stage waits for, such as ``val/iou_cell``; None for the first stage.
        threshold: What the score must reach, from below, or from above if it is a loss; None for the first stage.
    """

    name: str
    augmentation: Augmentation
    monitor: str | None = None
    threshold: float | None = None


class CurriculumStages(pl.Callback):
    """Keeps at which stage of a :class:`segbench.augmentation.Curriculum` training is.

    A stage begins with the epoch after the validation in which its monitor passes its threshold, one stage at a time,
    and none is left again. The stage is in the checkpoint, so a resumed run goes on in it; it is in the log and, from
    0, in the curves as ``augmentation/stage``; training items are asked for by it, so any number of workers sees it.

    Args:
        stages: The stages, in their order.

    Attributes:
        stage: The present stage, from 0.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        self.stage = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the present stage."""
        return {"stage": self.stage}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the stage up again."""
        self.stage = state_dict["stage"]

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make the stage known to the curves and loggers."""
        pl_module.log(STAGE, float(self.stage), logger=False)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin the next stage if its monitor has passed its threshold."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        if self.stage + 1 == len(self.stages):
            return
        following = self.stages[self.stage + 1]
        assert following.monitor is not None
        assert following.threshold is not None
        value = float(trainer.callback_metrics[following.monitor])
        lower = monitor_mode(following.monitor) == "min"
        if value <= following.threshold if lower else value >= following.threshold:
            self.stage += 1
            log.info(
                "curriculum: %s %.4f has passed %g; stage %d of %d begins with epoch %d",
                *(following.monitor, value, following.threshold, self.stage + 1, len(self.stages)),
                trainer.current_epoch + 2,
            )
