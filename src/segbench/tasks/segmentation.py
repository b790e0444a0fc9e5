"""The segmentation task: a network, a loss, an optimiser and the counts that every score derives from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn import functional

from segbench.errors import ConfigError
from segbench.models import TrainingOutputs
from segbench.processes import mean
from segbench.runs.run_callback import RunContext
from segbench.scores import Convention, class_scores, image_scores, mean_score
from segbench.scores.columns import ColumnScore
from segbench.scores.counts import confusion_matrices
from segbench.scores.derive import OVERALL_SCORES, SCORES
from segbench.tasks.base import Task
from segbench.tasks.evaluation import CountsTable
from segbench.tasks.examples import draw_ranked
from segbench.tasks.final_scores import PER_CLASS_SCORES, final_scores
from segbench.tasks.kind import TaskData
from segbench.tasks.together import log_odds, logarithms
from segbench.tasks.windows import Windows

# The axes along which an image is turned over: none, its width, its height, both.
_MIRRORED: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
VALIDATION_SCORES = ("dice", "iou", "pixel_accuracy")


class SegmentationTask(Task[CountsTable]):
    """Trains and evaluates any network that maps (B,C,H,W) images to (B,K,H,W) logits.

    K = 1 is a sigmoid over one foreground class, K > 1 a softmax; ``class_names`` has background first (2 for binary
    data), unless the data has none. The network's attribute ``stride`` (default 1) is what image sides must be
    divisible by; images are padded and logits cropped here, once, for every network. In training it may return
    :class:`segbench.models.TrainingOutputs`: the loss is then the mean over its logits, plus the binary cross entropy
    of which classes are present.

    Args:
        *arguments: Those of :class:`segbench.tasks.base.Task`.
        windows: How images are cut outside training; None takes them whole.
        flips: Whether the logits of an image and its three mirror images are averaged, in the final evaluation and
            for new images; validation does without, so that training is the same.
        declared: The scores that follow from further columns of the final evaluation.
        **options: Those of :class:`segbench.tasks.base.Task`.
    """

    name = networks = losses = "segmentation"
    example = "unet"
    example_loss = "ce"
    headline = "val/dice"
    # Its scores of all classes together.
    overall: ClassVar[tuple[str, ...]] = tuple(OVERALL_SCORES)

    def __init__(
        self,
        *arguments: Any,
        windows: Windows | None = None,
        flips: bool = False,
        declared: Sequence[ColumnScore] = (),
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.windows, self.declared = windows, tuple(declared)
        # A task without a loss only predicts.
        self._flips, self._flipping = flips, flips and self.loss is None

    # -- what the task says before it is built ------------------------------------------------------

    @classmethod
    def count_outputs(cls, activation: str, data: TaskData) -> int:
        """Return 1 for a sigmoid over the foreground of two classes, else a logit a class."""
        classes = len(data.class_names)
        sigmoid = activation == "sigmoid" or (activation == "auto" and classes == 2)
        if sigmoid and classes != 2:
            raise ConfigError(f"activation=sigmoid: {data.name} has {classes} classes; use activation=softmax")
        return 1 if sigmoid else classes

    @classmethod
    def options(cls, cfg: DictConfig, data: TaskData, windows: Windows | None = None) -> dict[str, Any]:
        """Return windows (these, those of ``predict.window``, or the training images' tiles), flips, further scores."""
        window = cfg.predict.window
        if windows is None and window is not None:
            windows = Windows(size=(window[0], window[1]), overlap=cfg.predict.overlap)
        elif windows is None and data.tiles != (1, 1):
            windows = Windows(tiles=data.tiles)
        return {"windows": windows, "flips": cfg.predict.tta == "flips", "declared": data.declared_scores()}

    @classmethod
    def metric_names(cls, class_names: Sequence[str], background: bool = True) -> list[str]:
        """Return what every validation gives: the loss, means over classes, and Dice and IoU of each class."""
        names = [f"val/{name}" for name in ("loss", *cls._validated(background))]
        classes = class_names[Convention().of(background).first :]
        return names + [f"val/{score}_{name}" for score in PER_CLASS_SCORES for name in classes]

    @classmethod
    def scores(cls, data: TaskData) -> dict[str, Sequence[str]]:
        """Return the scores of each class, those of all classes together, and those of the data's further columns."""
        return dict.fromkeys(SCORES, data.class_names) | dict.fromkeys(cls.overall, ()) | dict(data.column_scores())

    @classmethod
    def _validated(cls, background: bool) -> tuple[str, ...]:
        # What benchmarks of data without background go by.
        names = VALIDATION_SCORES if background else (*VALIDATION_SCORES, "miou")
        return tuple(name for name in names if name in SCORES or name in cls.overall)

    # -- counts --------------------------------------------------------------------------------------

    def new_table(self) -> CountsTable:
        """Return an empty table of counts."""
        return CountsTable(len(self.class_names))

    def count(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """Return what a table takes: which class was taken for which, int64 (B,C,C).

        Args:
            prediction: Class indices (B,H,W).
            truth: Class indices or the label to ignore (B,H,W).
        """
        return confusion_matrices(prediction, truth, len(self.class_names), self.ignore_index)

    # -- forward -----------------------------------------------------------------------------------

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) of any size, by windows and mirrored where that is asked for."""
        if self.training:
            return self._outputs(image).logits
        if not self._flipping:
            return self._predict(image)
        return torch.stack([self._predict(image.flip(axes)).flip(axes) for axes in _MIRRORED]).mean(dim=0)

    def _predict(self, image: Tensor) -> Tensor:
        if self.windows is None:
            return self._outputs(image).logits
        return self.windows.predict(lambda part: self._outputs(part).logits, image)

    def _outputs(self, image: Tensor) -> TrainingOutputs:
        stride = getattr(self.network, "stride", 1)
        height, width = image.shape[-2:]
        bottom, right = -height % stride, -width % stride
        if bottom or right:
            image = functional.pad(image, (0, right, 0, bottom), mode="replicate")
        outputs = self.network(image.contiguous(memory_format=self.memory_format))
        outputs = outputs if isinstance(outputs, TrainingOutputs) else TrainingOutputs(outputs)
        if outputs.logits.shape[2:] != image.shape[2:]:
            given, found = ("x".join(map(str, part.shape)) for part in (image, outputs.logits))
            name = type(self.network).__name__
            raise ConfigError(f"model: {name} returns {found} for images of {given}; height and width must be theirs")
        if not (bottom or right):
            return outputs
        sides = tuple(logits[..., :height, :width] for logits in outputs.side_logits)
        return outputs._replace(logits=outputs.logits[..., :height, :width], side_logits=sides)

    @staticmethod
    def predict_classes(logits: Tensor) -> Tensor:
        """Return class indices (B,H,W) int64: sigmoid at 0.5 for K = 1, arg max otherwise."""
        return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(dim=1)

    @staticmethod
    def probabilities(logits: Tensor) -> Tensor:
        """Return probabilities of all classes (B,C,H,W) float32, background first: C = 2 for K = 1, else K."""
        logits = logits.float()
        if logits.shape[1] > 1:
            return logits.softmax(dim=1)
        foreground = logits.sigmoid()
        return torch.cat((1 - foreground, foreground), dim=1)

    @staticmethod
    def logits(probabilities: Tensor, outputs: int) -> Tensor:
        """Return logits (B,K,H,W) that have these probabilities (B,C,H,W)."""
        return log_odds(probabilities[:, 1:]) if outputs == 1 else logarithms(probabilities)

    # -- training and evaluation -------------------------------------------------------------------

    def batch_loss(self, batch: dict[str, Any]) -> Tensor:
        """Return the batch's loss, with that of side outputs."""
        outputs, mask = self._outputs(batch["image"]), batch["mask"]
        results = (outputs.logits, *outputs.side_logits)
        loss = outputs.mean_loss([self.loss(logits, mask, batch.get("weight")) for logits in results])
        if outputs.presence is None:
            return loss
        present = torch.stack([(mask == index).flatten(1).any(dim=1) for index in range(1, len(self.class_names))], 1)
        presence, truth = outputs.presence.float(), present.float()
        return loss + mean(functional.binary_cross_entropy_with_logits(presence, truth, reduction="none"))

    def begin_evaluation(self, splits: Sequence[str]) -> None:
        """Make the tables of the final evaluation, which averages mirrored predictions where that is asked for."""
        super().begin_evaluation(splits)
        self._flipping = self._flips

    def evaluate(self, batch: dict[str, Any], table: CountsTable) -> Tensor:
        """Add the batch's counts and loss; returns class indices (B,H,W)."""
        logits = self(batch["image"])
        mask, prediction = batch["mask"], self.predict_classes(logits)
        loss = self.loss(logits, mask, batch.get("weight"))
        table.update(batch["id"], self.count(prediction, mask), tuple(mask.shape[-2:]), loss)
        return prediction

    def validation_scores(self, table: CountsTable) -> dict[str, float]:
        """Return loss and scores from counts, so that they do not depend on the batch size."""
        convention = self.convention
        scores = {"val/loss": table.mean_loss}
        names = self._validated(self.background)
        scores |= {f"val/{name}": mean_score(table.counts, name, convention) for name in names}
        for score in PER_CLASS_SCORES:
            values = class_scores(table.counts, score, convention)
            named = list(enumerate(self.class_names))[convention.first :]
            scores |= {f"val/{score}_{name}": float(values[index]) for index, name in named}
        return scores

    @property
    def convention(self) -> Convention:
        """The mean over images, then over classes; of data with a background without it."""
        return Convention().of(self.background)

    def final_scores(self, table: CountsTable) -> dict[str, float]:
        """Return every score's mean over classes, and every class's own Dice and IoU."""
        return final_scores(table, self.class_names, self.background, self.declared, self.overall)

    def draw_examples(self, context: RunContext, split: str, path: Path, images: int) -> None:
        """Draw images by their rank in Dice, the mean over classes, from the best to the worst.

        One without foreground in truth and prediction has no Dice: it is drawn only where too few others are there.
        """
        table = self.evaluation[split]
        draw_ranked(context, split, path, table.ids, image_scores(table.counts, "dice", self.convention), images)
