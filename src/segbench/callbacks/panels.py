"""Pictures of what the network sees: image | truth | prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl

from segbench.errors import ConfigError
from segbench.pictures.epochs import epochs_figure
from segbench.processes import own_share
from segbench.runs.files import atomic_open
from segbench.runs.kept_epochs import keep_epoch, open_epochs
from segbench.runs.run_callback import RunCallback, RunContext, only_warning
from segbench.tasks.examples import log_examples, predict_examples, spread


class PredictionPanels(RunCallback):
    """Draws images of a finished run's last split into ``figures/predictions.png`` and the loggers.

    The task says which: a segmentation shows the best, the median and the worst image, a classification its most
    confident mistakes.

    Args:
        images: How many images, their ranks spread evenly from the best to the worst; 1 is the median alone. Of a
            classification, how many rows of mistakes.
        every_n_epochs: Also send validation images to the loggers every so many epochs (0: only at the end): always
            the same ones, spread evenly over the split, so that they can be followed through the training.
        at_epochs: After these epochs, counted from 1, the predictions of the same validation images are kept in
            ``figures/epochs``, and drawn beside each other in ``figures/epochs.png``; at the end also those of the
            best weights.
    """

    changes_result = False

    def __init__(self, images: int = 3, every_n_epochs: int = 0, at_epochs: Sequence[int] = ()) -> None:
        if images < 1 or every_n_epochs < 0:
            raise ValueError(f"images must be at least 1 and every_n_epochs at least 0, got {images}, {every_n_epochs}")
        if any(not isinstance(epoch, int) or epoch < 1 for epoch in at_epochs):
            raise ValueError(f"at_epochs must be epochs, counted from 1, got {list(at_epochs)}")
        self.images = images
        self.every_n_epochs = every_n_epochs
        self.at_epochs = frozenset(at_epochs)
        self._context: RunContext | None = None

    def bind(self, context: RunContext) -> None:
        """Learn where the pictures go.

        Raises:
            ConfigError: If validation images are wanted of a task whose predictions are no masks.
        """
        wanted = {"every_n_epochs": (self.every_n_epochs, 0), "at_epochs": (sorted(self.at_epochs), [])}
        for key, (value, without) in wanted.items():
            if value and not context.task.has_masks:
                raise ConfigError(
                    f"callbacks.panels.{key}={value}: is for masks, and data={context.data.name} has labels; "
                    f"set it to {without}"
                )
        self._context = context

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send validation images to the loggers, and keep their predictions, where it is due."""
        context, epoch = self._context, trainer.current_epoch + 1
        if context is None or own_share().rank:
            return
        if epoch in self.at_epochs:
            self._keep(context, epoch)
        if self.every_n_epochs and epoch % self.every_n_epochs == 0 and trainer.loggers:
            with only_warning("validation images"):
                log_examples(context, self._validation_images(context))

    def finish(self, context: RunContext) -> None:
        """Draw images of the last scored split with the scored weights; what fails is only warned of."""
        if not context.splits:
            return
        if self.at_epochs and open_epochs(context.run.path) is not None:
            self._keep(context, None)
        path = context.run.figures / "predictions.png"
        with only_warning(path):
            context.task.draw_examples(context, context.splits[-1], path, self.images)

    def _validation_images(self, context: RunContext) -> dict[str, list[Any]]:
        images = len(context.data.datasets["val"])
        return predict_examples(context, "val", spread(images, min(self.images, images)))

    def _keep(self, context: RunContext, epoch: int | None) -> None:
        """Keep the predictions of validation images after an epoch, or (None) of the best weights, and draw them."""
        run, data = context.run.path, context.data
        with only_warning("predictions after epochs"):
            keep_epoch(run, epoch, self._validation_images(context), data.class_names)
            kept = open_epochs(run)
            if kept is None:
                raise ValueError("what was written cannot be read")
            with atomic_open(context.run.figures / "epochs.png") as stream:
                figure = epochs_figure(kept, data.mask_key)
                figure.savefig(stream, format="png")
