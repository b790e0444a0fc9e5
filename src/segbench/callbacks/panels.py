"""Pictures of what the network sees: image | truth | prediction."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from segbench.errors import SegbenchError
from segbench.reporting.panels import draw_panels
from segbench.scores import Convention, image_scores
from segbench.scores.counts import confusion_matrices, counts
from segbench.tracking import log_panels

log = logging.getLogger("segbench")


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
            data: Any = trainer.datamodule  # type: ignore[attr-defined]  # set by fit(datamodule=...)
            with _only_warning("validation images"):
                panel = self._predict(pl_module, data, "val")
                log_panels(trainer.loggers, _stacked(panel), data.class_names, trainer.global_step)

    def draw(self, task: pl.LightningModule, data: Any, split: str, path: Path, loggers: list[Any], step: int) -> None:
        """Draw the split's images with the task's present weights; a picture that fails is only warned of.

        Args:
            task: The trained task.
            data: The data module, set up.
            split: ``val`` or ``test``.
            path: The PNG to write.
            loggers: Loggers that get the same pictures.
            step: The step they are logged at.
        """
        with _only_warning(path):
            panel = self._predict(task, data, split)
            titles = [
                f"{name}   Dice {dice:.3f}" if np.isfinite(dice) else f"{name}   no foreground"
                for name, dice in zip(panel["id"], panel["dice"], strict=True)
            ]
            draw_panels(panel["image"], panel["truth"], panel["prediction"], data.class_names, path, titles)
            log_panels(loggers, _stacked(panel), data.class_names, step)

    def _predict(self, task: Any, data: Any, split: str) -> dict[str, list[Any]]:
        """Predict one image after the other, as they may differ in size."""
        dataset = data.datasets[split]
        chosen = np.unique(np.linspace(0, len(dataset) - 1, min(self.images, len(dataset))).round().astype(int))
        mean, std = (torch.as_tensor(value).view(-1, 1, 1) for value in (data.mean, data.std))
        device = next(task.network.parameters()).device
        panel: dict[str, list[Any]] = {name: [] for name in ("id", "image", "truth", "prediction", "dice")}
        was_training = task.training
        task.eval()
        # A few pictures are not worth compiling the network again for their size, or for the CPU that Lightning
        # leaves it on after a test.
        with torch.inference_mode(), torch.compiler.set_stance("force_eager"):
            for item in (dataset[int(index)] for index in chosen):
                prediction = task.predict_classes(task(item["image"][None].to(device))).cpu()
                confusion = confusion_matrices(prediction, item["mask"][None], data.num_classes, data.ignore_index)
                panel["id"].append(item["id"])
                panel["image"].append((item["image"] * std + mean).clamp(0, 1).permute(1, 2, 0).numpy())
                panel["truth"].append(item["mask"].numpy())
                panel["prediction"].append(prediction[0].numpy())
                panel["dice"].append(float(image_scores(counts(confusion).numpy(), "dice", Convention())[0]))
        task.train(was_training)
        return panel


@contextmanager
def _only_warning(what: object) -> Iterator[None]:
    """Warn of what fails in the block: a picture is not worth a run. Refusals, of a stop signal say, pass."""
    try:
        yield
    except SegbenchError:
        raise
    except Exception as error:
        line = (str(error).splitlines() or [""])[0]
        log.warning("%s: not drawn (%s: %s)", what, type(error).__name__, line)


def _stacked(panel: dict[str, list[Any]]) -> dict[str, Any]:
    """Return the panel for loggers, which take images of one size: smaller ones are filled up with 0."""
    size = np.max([truth.shape for truth in panel["truth"]], axis=0)

    def stack(images: list[Any]) -> np.ndarray:
        gaps = [[(0, gap) for gap in size - image.shape[:2]] + [(0, 0)] * (image.ndim - 2) for image in images]
        return np.stack([np.pad(image, gap) for image, gap in zip(images, gaps, strict=True)])

    return panel | {name: stack(panel[name]) for name in ("image", "truth", "prediction")}
