"""The classification task: a network that names one class an image, and what it made of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor

from segbench.errors import ConfigError
from segbench.runs.run_callback import RunContext
from segbench.scores import Convention
from segbench.scores.labels import ACCURACY, CLASS_SCORES, LABEL_CONVENTION, label_scores
from segbench.tasks.base import Task
from segbench.tasks.evaluation import EvaluationTable
from segbench.tasks.kind import TaskData
from segbench.tasks.mistakes import draw_confident_mistakes

VALIDATION_SCORES = ("accuracy", "f1")


class LabelsTable(EvaluationTable):
    """Truth, prediction and probabilities of each image, with the loss.

    Args:
        num_classes: C.
    """

    true_labels: list[Tensor]
    label_probabilities: list[Tensor]

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self._declare("true_labels", torch.int64)
        self._declare("label_probabilities", torch.float32)

    def update(self, ids: Sequence[str], truth: Tensor, probabilities: Tensor, loss: Tensor) -> None:
        """Add a batch.

        Args:
            ids: The images' ids, B of them.
            truth: Class indices int64 (B,).
            probabilities: float32 (B,C); the largest is the prediction.
            loss: Mean loss of the batch.
        """
        self._note(ids, loss)
        self.true_labels.append(truth)
        self.label_probabilities.append(probabilities.flatten())

    def compute(self) -> dict[str, Any]:
        """Return everything that was added, of the images of all processes.

        Returns:
            ``ids`` objects (N,), ``truth`` int64 (N,), ``probabilities`` float32 (N,C), and ``mean_loss``.
        """
        return self._common() | {
            "truth": self._joined("true_labels", -1),
            "probabilities": self._joined("label_probabilities", -1, self.num_classes),
        }

    @property
    def truth(self) -> NDArray[np.int64]:
        """True classes, int64 (N,)."""
        found: NDArray[np.int64] = self.compute()["truth"]
        return found

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Probabilities of all classes, float32 (N,C)."""
        found: NDArray[np.float32] = self.compute()["probabilities"]
        return found

    def frame(self, split: str, class_names: Sequence[str], groups: Mapping[str, str]) -> pd.DataFrame:
        """Return one row per image, as stored in ``scores.parquet``.

        Columns ``truth`` and ``prediction`` hold class names (categories in the order of the classes), ``probability``
        that of the prediction.

        Args:
            split: Name of the split.
            class_names: Names in the order of the classes.
            groups: Group of each image id.
        """
        probabilities, ids = self.probabilities, self.ids
        prediction = probabilities.argmax(axis=1)
        names = pd.Index(class_names)
        return pd.DataFrame(
            {
                "split": pd.Categorical([split] * len(ids)),
                "id": ids,
                "group": [groups[image] for image in ids],
                "truth": pd.Categorical.from_codes(self.truth, names),
                "prediction": pd.Categorical.from_codes(prediction, names),
                "probability": probabilities.max(axis=1),
            }
        )


class ClassificationTask(Task[LabelsTable]):
    """Trains and evaluates any network that maps (B,C,H,W) images to (B,K) logits, K classes of a softmax.

    Args: see :class:`segbench.tasks.base.Task`.
    """

    name = networks = losses = "classification"
    example = "mnist_cnn"
    example_loss = "ce"
    headline = "val/accuracy"
    has_masks = False

    @classmethod
    def check(cls, cfg: DictConfig, data: TaskData) -> None:
        """Refuse parts that are for another task, and windows and flips: an image with one label is predicted whole."""
        super().check(cfg, data)
        if cfg.predict.window is not None:
            raise ConfigError(f"predict.window: {data.name} has a label an image, predicted whole; leave it out")
        if cfg.predict.tta is not None:
            raise ConfigError(f"predict.tta: {data.name} has a label an image, predicted as it is; leave it out")

    @classmethod
    def count_outputs(cls, activation: str, data: TaskData) -> int:
        """Return one logit a class; a sigmoid is refused."""
        if activation == "sigmoid":
            raise ConfigError(f"activation=sigmoid: {data.name} is for classification; use activation=softmax")
        return len(data.class_names)

    @classmethod
    def metric_names(cls, class_names: Sequence[str], background: bool = True) -> list[str]:
        """Return what every validation gives: the loss, accuracy and F1 (the mean over classes)."""
        return [f"val/{name}" for name in ("loss", *VALIDATION_SCORES)]

    @classmethod
    def scores(cls, data: TaskData) -> dict[str, Sequence[str]]:
        """Return accuracy, which is of no class, and the scores of each class."""
        return {ACCURACY.name: (), **dict.fromkeys(CLASS_SCORES, data.class_names)}

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K) for images (B,C,H,W)."""
        logits: Tensor = self.network(image.contiguous(memory_format=self.memory_format))
        return logits

    @staticmethod
    def probabilities(logits: Tensor) -> Tensor:
        """Return probabilities of all classes, float32 (B,K)."""
        return logits.float().softmax(dim=1)

    def new_table(self) -> LabelsTable:
        """Return an empty table of labels."""
        return LabelsTable(len(self.class_names))

    def batch_loss(self, batch: dict[str, Any]) -> Tensor:
        """Return the batch's loss."""
        loss: Tensor = self.loss(self(batch["image"]), batch["label"], batch.get("weight"))
        return loss

    def evaluate(self, batch: dict[str, Any], table: LabelsTable) -> Tensor:
        """Add the batch's labels, probabilities and loss; returns class indices (B,)."""
        logits = self(batch["image"])
        probabilities = self.probabilities(logits)
        table.update(batch["id"], batch["label"], probabilities, self.loss(logits, batch["label"]))
        return probabilities.argmax(dim=1)

    def validation_scores(self, table: LabelsTable) -> dict[str, float]:
        """Return loss, accuracy and F1 (the mean over classes)."""
        scores = self.final_scores(table)
        return {"val/loss": table.mean_loss} | {f"val/{name}": scores[name] for name in VALIDATION_SCORES}

    @property
    def convention(self) -> Convention:
        """The one way of labels."""
        return LABEL_CONVENTION

    def final_scores(self, table: LabelsTable) -> dict[str, float]:
        """Return accuracy, F1 and each class's F1."""
        return label_scores(table.truth, table.probabilities.argmax(axis=1), self.class_names)

    def draw_examples(self, context: RunContext, split: str, path: Path, images: int) -> None:
        """Draw rows of the misclassified images, the most confident first."""
        draw_confident_mistakes(context, split, path, self.evaluation[split], images)
