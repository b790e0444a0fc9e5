"""Early stopping that a resumed run remembers."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping


class ResumableEarlyStopping(EarlyStopping):
    """Lightning's early stopping; a run killed after it stopped does not train on when it is started again."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop at once where the restored state says that training had stopped."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True
