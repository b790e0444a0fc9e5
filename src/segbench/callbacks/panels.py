"""Pictures of what the network sees: image | truth | prediction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from segbench.errors import ConfigError
from segbench.pictures.epochs import epochs_figure
from segbench.pictures.mistakes import ACROSS, Mistake, draw_mistakes
from segbench.pictures.panels import as_picture, draw_panels
from segbench.runs.files import atomic_open
from segbench.runs.kept_epochs import keep_epoch, open_epochs
from segbench.runs.run_callback import RunCallback, RunContext, only_warning
from segbench.scores import image_scores
from segbench.scores.labels import confident_mistakes
from segbench.tasks.classification import LabelsTable
from segbench.tasks.inference import predict_probabilities
from segbench.tracking import log_panels, log_picture

log = logging.getLogger("segbench")


class PredictionPanels(RunCallback):
    """Draws a finished run's best, median and worst image into ``figures/predictions.png`` and the loggers.

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
            ConfigError: If validation images are wanted of a classification.
        """
        data = context.data
        labels = data.task == "classification"
        if self.every_n_epochs and labels:
            raise ConfigError(
                f"callbacks.panels.every_n_epochs={self.every_n_epochs}: is for masks, and data={data.name} has labels;"
                " set it to 0"
            )
        if self.at_epochs and labels:
            raise ConfigError(
                f"callbacks.panels.at_epochs={sorted(self.at_epochs)}: is for masks, and data={data.name} has labels;"
                " set it to []"
            )
        self._context = context

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Send validation images to the loggers, and keep their predictions, where it is due."""
        context, epoch = self._context, trainer.current_epoch + 1
        if context is None:
            return
        if epoch in self.at_epochs:
            self._keep(context, epoch)
        if self.every_n_epochs and epoch % self.every_n_epochs == 0 and trainer.loggers:
            with only_warning("validation images"):
                panel = self._validation_images(context)
                log_panels(trainer.loggers, _stacked(panel), context.data.class_names, trainer.global_step)

    def finish(self, context: RunContext) -> None:
        """Draw the last scored split's images by rank, with the scored weights; what fails is only warned of.

        An image's rank is that of its Dice, the mean over its classes, from the counts of the evaluation. One without
        foreground in truth and prediction has none: it is drawn only where too few others are there.

        Of a classification, rows of the images that it named wrongly and is surest of.
        """
        if not context.splits:
            return
        if self.at_epochs and open_epochs(context.run.path) is not None:
            self._keep(context, None)
        path, split = context.run.figures / "predictions.png", context.splits[-1]
        with only_warning(path):
            table: Any = context.task.evaluation[split]
            if isinstance(table, LabelsTable):
                self._draw_mistakes(table, context, split, path)
                return
            self._draw_masks(table, context, split, path)

    def _validation_images(self, context: RunContext) -> dict[str, list[Any]]:
        images = len(context.data.datasets["val"])
        return _predict(context, "val", _spread(images, min(self.images, images)))

    def _keep(self, context: RunContext, epoch: int | None) -> None:
        """Keep the predictions of validation images after an epoch, or (None) of the best weights, and draw them."""
        run, data = context.run.path, context.data
        with only_warning("predictions after epochs"):
            keep_epoch(run, epoch, self._validation_images(context), data.class_names)
            kept = open_epochs(run)
            if kept is None:
                raise ValueError("what was written cannot be read")
            with atomic_open(context.run.figures / "epochs.png") as stream:
                figure = epochs_figure(kept, data.class_names, colours=data.class_colours)
                figure.savefig(stream, format="png")

    def _draw_masks(self, table: Any, context: RunContext, split: str, path: Path) -> None:
        data = context.data
        dice = image_scores(table.counts, "dice", context.task.convention)
        chosen = ranked(dice, self.images)
        panel = _predict(context, split, [index for index, _ in chosen])
        scored = [table.ids[index] for index, _ in chosen]
        if scored != panel["id"]:
            raise ValueError(f"the counts are of {', '.join(scored)}, the images {', '.join(panel['id'])}")
        titles = [_title(rank, table.ids[index], float(dice[index])) for index, rank in chosen]
        pictures = (panel["image"], panel["truth"], panel["prediction"])
        draw_panels(*pictures, data.class_names, path, titles, colours=data.class_colours)
        log_panels(context.trainer.loggers, _stacked(panel), data.class_names, context.trainer.global_step)

    def _draw_mistakes(self, table: LabelsTable, context: RunContext, split: str, path: Path) -> None:
        data = context.data
        prediction, probability = table.probabilities.argmax(axis=1), table.probabilities.max(axis=1)
        chosen = confident_mistakes(table.truth, prediction, probability, self.images * ACROSS).tolist()
        path.unlink(missing_ok=True)
        if not chosen:
            log.info("%s: not drawn, as every image is named right", path.name)
            return
        dataset, names = data.scored(split), data.class_names
        mean, std = (torch.as_tensor(value).view(-1, 1, 1) for value in (data.mean, data.std))
        mistakes = []
        for index in chosen:
            item = dataset[index]
            if item["id"] != table.ids[index]:
                raise ValueError(f"the labels are of {table.ids[index]}, the image is {item['id']}")
            image = as_picture((item["image"] * std + mean).clamp(0, 1).permute(1, 2, 0).numpy())
            truth, named = names[table.truth[index]], names[prediction[index]]
            mistakes.append(Mistake(image, truth, named, float(probability[index])))
        wrong = int((table.truth != prediction).sum())
        which = f"the {len(chosen)} surest of {wrong}" if wrong > len(chosen) else f"all {wrong}"
        words = f"named wrongly, {which} among {len(table.ids)} images ({split} split)"
        figure = draw_mistakes(mistakes, f"{words}; true class → predicted class, probability")
        with atomic_open(path) as stream:
            figure.savefig(stream, format="png")
        log_picture(context.trainer.loggers, path, context.trainer.global_step)


def ranked(scores: np.ndarray, images: int) -> list[tuple[int, str]]:
    """Choose images whose ranks are spread evenly from the best to the worst.

    Args:
        scores: The N images' scores; NaN where there is none.
        images: How many to choose, at least 1.

    Returns:
        Index and rank in words (``best``, ``median``, ``rank 7 of 20``, ``worst``; empty without a score), the best
        first; images without a score come last, and only where fewer than ``images`` have one.
    """
    missing = np.isnan(scores)
    # Stable, so that equal images keep their order in the data set and a picture made again is the same.
    order = np.argsort(-scores[~missing], kind="stable")
    with_score, without = np.flatnonzero(~missing)[order], np.flatnonzero(missing)
    count = len(with_score)
    chosen = [(int(with_score[rank]), _rank(rank, count)) for rank in _spread(count, min(images, count))]
    rest = min(images - len(chosen), len(without))
    return chosen + [(int(without[place]), "") for place in _spread(len(without), rest)]


def _spread(count: int, wanted: int) -> list[int]:
    """Return ``wanted`` of the numbers below ``count``, evenly from the first to the last; one alone is the middle."""
    if wanted == 1:
        return [_middle(count)]
    # Half up, as in _middle: numpy's rounding to even would move the middle of three by the parity of the count.
    return [int(place + 0.5) for place in np.linspace(0, count - 1, wanted)]


def _middle(count: int) -> int:
    return count // 2


def _rank(rank: int, count: int) -> str:
    """Return a rank (0 is the best of ``count``) in words; an only image needs none."""
    if count == 1:
        return ""
    ends = {0: "best", count - 1: "worst"}
    return ends.get(rank) or ("median" if rank == _middle(count) else f"rank {rank + 1} of {count}")


def _title(rank: str, image: str, dice: float) -> str:
    score = f"Dice {dice:.3f}" if np.isfinite(dice) else "no foreground"
    return "   ".join(part for part in (rank, image, score) if part)


def _predict(context: RunContext, split: str, chosen: Sequence[int]) -> dict[str, list[Any]]:
    """Predict one image after the other, as they may differ in size."""
    task, data, precision = context.task, context.data, context.trainer.precision
    dataset = data.scored(split)
    mean, std = (torch.as_tensor(value).view(-1, 1, 1) for value in (data.mean, data.std))
    panel: dict[str, list[Any]] = {name: [] for name in ("id", "image", "truth", "prediction")}
    was_training = task.training
    task.eval()
    # A few pictures are not worth compiling the network again for their size, or for the CPU that Lightning
    # leaves it on after a test.
    with torch.compiler.set_stance("force_eager"):
        for item in (dataset[index] for index in chosen):
            prediction = predict_probabilities(task, item["image"][None], precision).argmax(dim=1)
            panel["id"].append(item["id"])
            panel["image"].append(as_picture((item["image"] * std + mean).clamp(0, 1).permute(1, 2, 0).numpy()))
            panel["truth"].append(item["mask"].numpy())
            panel["prediction"].append(prediction[0].numpy())
    task.train(was_training)
    return panel


def _stacked(panel: dict[str, list[Any]]) -> dict[str, Any]:
    """Return the panel for loggers, which take images of one size: smaller ones are filled up with 0."""
    size = np.max([truth.shape for truth in panel["truth"]], axis=0)

    def stack(images: list[Any]) -> np.ndarray:
        gaps = [[(0, gap) for gap in size - image.shape[:2]] + [(0, 0)] * (image.ndim - 2) for image in images]
        return np.stack([np.pad(image, gap) for image, gap in zip(images, gaps, strict=True)])

    return panel | {name: stack(panel[name]) for name in ("image", "truth", "prediction")}
