"""Averages a network's weights over the steps of the training."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from segbench.errors import ConfigError


class WeightAverage(pl.Callback):
    """Validates, selects and keeps an exponential moving average of the weights (EMA), and trains on without it.

    After step n of the optimiser, counted from 1,

        average = d average + (1 - d) weights,  d = min(decay, (1 + n) / (10 + n)) or decay

    from the initial weights: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J.
    Control Optim. 30 (1992), in the form of Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017
    (arXiv 1703.01780). The ramp is TensorFlow's ``num_updates``: without it the initial weights still count after
    1 / (1 - decay) steps. Statistics of batch normalisation are averaged too, whole numbers taken as they are.

    From a validation until the next training step the network has the average, so that ``best.ckpt``, the scores and
    the predictions are those of the average. ``last.ckpt`` has both, so a resumed run equals an uninterrupted one to
    the bit. Several processes average alike, as their weights are alike.

    Args:
        decay: d, at least 0 and below 1.
        ramp: Whether the average is shorter at first.

    Raises:
        ConfigError: If ``decay`` is out of range.
    """

    changes_result = True

    def __init__(self, decay: float = 0.999, ramp: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"callbacks: decay={decay} of the average of weights must be at least 0 and below 1")
        self.decay, self.ramp = decay, ramp
        self._steps = self._step = 0
        # The average while the network is trained, the trained weights while it has the average; by name.
        self._other: dict[str, Tensor] = {}
        self._shown = False

    def state_dict(self) -> dict[str, Any]:
        """Return what the network does not have, and which of both that is."""
        return {"steps": self._steps, "other": self._other, "shown": self._shown}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._steps, self._other, self._shown = (state_dict[key] for key in ("steps", "other", "shown"))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the initial weights, unless a checkpoint has the average."""
        own = pl_module.state_dict()
        self._other = {name: self._other.get(name, value).to(value.device).clone() for name, value in own.items()}
        self._step = trainer.global_step

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Give the network its trained weights."""
        self._show(pl_module, False)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Average, if the optimiser has made a step."""
        if trainer.global_step == self._step:
            return
        self._step, self._steps = trainer.global_step, self._steps + 1
        decay = min(self.decay, (1 + self._steps) / (10 + self._steps)) if self.ramp else self.decay
        own = pl_module.state_dict()
        averaged = [name for name, value in own.items() if value.is_floating_point()]
        average = get_ema_multi_avg_fn(decay)
        average([self._other[name] for name in averaged], [own[name] for name in averaged], self._steps)
        for name in own.keys() - set(averaged):
            self._other[name].copy_(own[name])

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the network the average, to be validated."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._show(pl_module, True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the network the average where nothing was validated, as it may be saved as the best."""
        self._show(pl_module, True)

    @torch.no_grad()
    def _show(self, module: pl.LightningModule, average: bool) -> None:
        if self._shown == average:
            return
        self._shown = average
        # In place: the optimiser, and other processes, know the tensors of the network.
        for name, value in module.state_dict().items():
            kept = value.clone()
            value.copy_(self._other[name])
            self._other[name].copy_(kept)
