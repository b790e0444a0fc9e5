"""Ends a hopeless trial of a search by Optuna, after any epoch but its last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl
from omegaconf import DictConfig

from segbench.errors import PrunedRun, StorageError
from segbench.runs.optuna_study import curve, running
from segbench.runs.readers import DamagedError
from segbench.runs.study import class_name
from segbench.runs.tuning import Tuning, is_trial, read_row
from segbench.words import plural

if TYPE_CHECKING:
    import optuna


class Pruning(pl.Callback):
    """Reports every epoch's validation score to Optuna's pruner, and ends the training where it finds it hopeless.

    It knows of no other epochs than ``metrics.csv`` does, so a resumed trial ends where an uninterrupted one would. It
    stands behind the callback that writes that file, and before the one that saves checkpoints.

    Args:
        row: The trials and their pruner.
        directory: The trial's run directory.
    """

    def __init__(self, row: Tuning, directory: Path) -> None:
        self.row, self.directory = row, directory
        self._trial: optuna.trial.Trial | None = None
        self._reported = set[int]()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ask the pruner.

        Raises:
            PrunedRun: If the trial is hopeless.
        """
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 0
        # Of several processes the one that writes the file decides for all.
        own = trainer.is_global_zero and self._hopeless()
        hopeless = trainer.strategy.reduce_boolean_decision(own, all=False)
        if trainer.should_stop or epoch >= epochs or not hopeless:
            return
        values = curve(self.directory, self.row.monitor)
        best = (max if self.row.higher else min)(values.values(), default=float("nan"))
        study = self.row.study
        assert study is not None
        assert study.pruner is not None
        known = study.proposals[self._number].known
        raise PrunedRun(
            f"pruned after epoch {epoch} of {epochs}, with {self.row.monitor} {best:.4f} at best, by"
            f" {class_name(study.pruner)} beside {plural(known, 'earlier trial')}"
        )

    @property
    def _number(self) -> int:
        return [trial.name for trial in self.row.trials].index(self.directory.name)

    def _hopeless(self) -> bool:
        if self._trial is None:
            self._trial = running(self.row, self.directory.parent, self._number)
        found = False
        for epoch, value in curve(self.directory, self.row.monitor).items():
            if epoch not in self._reported:
                self._trial.report(value, epoch)
                found = self._trial.should_prune()
                self._reported.add(epoch)
        return found


def pruning(cfg: DictConfig, directory: Path) -> list[Pruning]:
    """Return the callback for a trial of a search with a pruner; none for any other run.

    Args:
        cfg: The configuration.
        directory: The run directory.

    Raises:
        StorageError: If the record of the trials cannot be read.
    """
    if not is_trial(cfg):
        return []
    try:
        row = read_row(directory.parent, settings=False)
    except DamagedError as error:
        raise StorageError(f"{directory.parent}: {error}; start the search again") from None
    known = directory.name in {trial.name for trial in row.trials}
    return [Pruning(row, directory)] if known and row.study and row.study.pruner else []
