"""Pictures of what the network sees: image | truth | prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import default_collate

from segbench.reporting.panels import draw_panels
from segbench.scores import Convention, image_scores
from segbench.scores.counts import confusion_matrices, counts
from segbench.tracking import log_panels


class PredictionPanels(pl.Callback):
    """Draws predictions for a few fixed images into ``figures/predictions.png`` and the loggers.

    Args:
        images: How many, spread evenly over the split.
        every_n_epochs: Also send validation images to the loggers every so many epochs (0: only at the end).
    """

    def __init__(self, images: int = 4, every_n_epochs: int = 0) -> None:
        if images < 1 or every_n_epochs < 0:
            raise ValueError(f"images must be at least 1 and every_n_epochs at least 0, got {images}, {every_n_epochs}")
        self.images = images
        self.every_n_epochs = every_n_epochs

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send validation images to the loggers where it is due."""
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0 and trainer.loggers:
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            panel = self._predict(pl_module, data, "val")
            log_panels(trainer.loggers, panel, data.class_names, trainer.global_step)

    def draw(self, task: pl.LightningModule, data: Any, split: str, path: Path, loggers: list[Any], step: int) -> None:
        """Draw the split's images with the task's present weights.

        Args:
            task: The trained task.
            data: The data module, set up.
            split: ``val`` or ``test``.
            path: The PNG to write.
            loggers: Loggers that get the same pictures.
            step: The step they are logged at.
        """
        panel = self._predict(task, data, split)
        titles = [
            f"{name}   Dice {dice:.3f}" if np.isfinite(dice) else f"{name}   no foreground"
            for name, dice in zip(panel["id"], panel["dice"], strict=True)
        ]
        draw_panels(panel["image"], panel["truth"], panel["prediction"], data.class_names, path, titles)
        log_panels(loggers, panel, data.class_names, step)

    def _predict(self, task: Any, data: Any, split: str) -> dict[str, Any]:
        dataset = data.datasets[split]
        chosen = np.unique(np.linspace(0, len(dataset) - 1, min(self.images, len(dataset))).round().astype(int))
        batch = default_collate([dataset[int(index)] for index in chosen])
        was_training = task.training
        task.eval()
        with torch.inference_mode():
            prediction = task.predict_classes(task(batch["image"].to(task.device))).cpu()
        task.train(was_training)
        table = counts(confusion_matrices(prediction, batch["mask"], data.num_classes, data.ignore_index)).numpy()
        mean, std = (torch.as_tensor(value).view(1, -1, 1, 1) for value in (data.mean, data.std))
        image = (batch["image"] * std + mean).clamp(0, 1).permute(0, 2, 3, 1).numpy()
        return {
            "id": batch["id"],
            "image": image,
            "truth": batch["mask"].numpy(),
            "prediction": prediction.numpy(),
            "dice": image_scores(table, "dice", Convention()),
        }
