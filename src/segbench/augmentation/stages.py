"""The stages of a curriculum, and the callback that starts the next one when a validation score reaches a threshold."""

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
        name: Its key in the configuration, or its index in a list.
        augmentation: The augmentation of training images in this stage.
        monitor: The validation score that starts the stage, such as ``val/iou_cell``; None for the first stage.
        threshold: The value that the score must reach, from below, or from above if it is a loss; None for the first
            stage.
    """

    name: str
    augmentation: Augmentation
    monitor: str | None = None
    threshold: float | None = None


class CurriculumStages(pl.Callback):
    """Tracks the stage of a :class:`segbench.augmentation.Curriculum` that training is in.

    A stage starts in the epoch after the validation in which its monitor reaches its threshold, one stage at a time;
    there is no way back. The stage is in the checkpoint, so a resumed run continues in it; it is logged, and in the
    curves as ``augmentation/stage``, from 0. Training items are requested with it, so workers need no state.

    Args:
        stages: The stages, in order.

    Attributes:
        stage: The current stage, from 0.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        self.stage = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the current stage."""
        return {"stage": self.stage}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the stage."""
        self.stage = state_dict["stage"]

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the stage for the curves and loggers: not as an epoch starts, which it does not if resumed."""
        pl_module.log(STAGE, float(self.stage), logger=False)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the next stage if its monitor has reached its threshold."""
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
