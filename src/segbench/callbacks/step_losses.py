"""The loss of a step of the optimiser, which several batches may make together, and the rate that it is made with."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch import Tensor


class StepLosses:
    """Gathers what the batches of a step add to its loss.

    Attributes:
        rate: The rate that the step is made with.
    """

    def __init__(self) -> None:
        self.rate = 0.0
        self._step = 0
        self._shares: list[Tensor] = []

    def start(self, trainer: pl.Trainer) -> None:
        """Learn how many steps were made before."""
        self._step = trainer.global_step

    def before(self, trainer: pl.Trainer) -> None:
        """Note the rate before a batch: after the step the schedule has set the next one's."""
        self.rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def after(self, trainer: pl.Trainer, module: pl.LightningModule) -> list[Tensor]:
        """Take in a batch; return the shares, which add up to the step's loss, if it was the step's last, else none."""
        task: Any = module
        self._shares.append(task.step_loss)
        if trainer.global_step == self._step:
            return []
        self._step, shares, self._shares = trainer.global_step, self._shares, []
        return shares
