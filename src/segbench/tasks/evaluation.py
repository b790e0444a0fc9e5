"""The counts of a split, gathered image by image: the one source of every score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.scores import Convention, class_scores, mean_score
from segbench.scores.columns import with_columns
from segbench.scores.counts import counts
from segbench.scores.derive import OVERALL_SCORES
from segbench.scores.objects import OBJECT_SCORES
from segbench.scores.seg import SEG

FINAL_SCORES = ("dice", "iou", "sensitivity", "specificity", "precision", "accuracy", "pixel_accuracy")
# Those that each foreground class has of its own too.
PER_CLASS_SCORES = ("dice", "iou")
# Confusion matrices grow with the square of the classes; of more than these only the counts are kept.
MOST_CONFUSED = 32


class EvaluationTable:
    """What is known of each image of a split, gathered batch by batch, with the loss.

    Batches are kept as tensors where they are (no wait for a GPU) and joined when somebody asks.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._losses: list[tuple[Tensor, int]] = []
        self._columns: list[dict[str, NDArray[np.float64]]] = []

    def clear(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc]  # a subclass with other arguments would break it; there is none

    def add_loss(self, ids: Sequence[str], loss: Tensor | None) -> None:
        """Take note of a batch.

        Args:
            ids: The images' ids, B of them.
            loss: Mean loss of the batch, if there is one.
        """
        self.ids += ids
        if loss is not None:
            self._losses.append((loss.detach(), len(ids)))

    @property
    def mean_loss(self) -> float:
        """Mean loss per image."""
        total = sum(loss.item() * images for loss, images in self._losses)
        return total / max(len(self.ids), 1)

    @abstractmethod
    def frame(self, split: str, class_names: Sequence[str], groups: Mapping[str, str]) -> pd.DataFrame:
        """Return the rows of ``scores.parquet``.

        Args:
            split: Name of the split.
            class_names: Names of all classes, in their order.
            groups: Group of each image id.
        """


class CountsTable(EvaluationTable):
    """Counts of true/false positives/negatives per image and class, with the loss.

    Which class was taken for which is kept too, for up to :data:`MOST_CONFUSED` classes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, ...]] = []
        self._counts: list[Tensor] = []
        self._confusions: list[Tensor] = []

    def add(self, ids: Sequence[str], confusion: Tensor, size: tuple[int, ...], loss: Tensor | None = None) -> None:
        """Add a batch.

        Args:
            ids: The images' ids, B of them.
            confusion: int64 (B,C,C): rows are the truth, columns the prediction.
            size: Height and width in pixels at which the counts were taken.
            loss: Mean loss of the batch, if there is one.
        """
        self.add_loss(ids, loss)
        self.sizes += [size] * len(ids)
        self._counts.append(counts(confusion))
        if confusion.shape[-1] <= MOST_CONFUSED:
            self._confusions.append(confusion)

    def add_columns(self, columns: Mapping[str, NDArray[np.float64]]) -> None:
        """Add further columns of the batch that was added last (:mod:`segbench.scores.columns`).

        Args:
            columns: Name to values (B,C) of its images; NaN for the background.
        """
        self._columns.append(dict(columns))

    @property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """All further columns, float64 (N,C) each; none where the data has no objects."""
        names = self._columns[0] if self._columns else {}
        return {name: np.concatenate([part[name] for part in self._columns]) for name in names}

    @property
    def counts(self) -> NDArray[np.int64]:
        """All counts, int64 (N,C,4)."""
        if not self._counts:
            return np.zeros((0, 1, 4), np.int64)
        return torch.cat(self._counts).cpu().numpy()

    @property
    def confusion(self) -> NDArray[np.int64] | None:
        """All confusion matrices, int64 (N,C,C), rows the truth; None where they are not kept."""
        return torch.cat(self._confusions).cpu().numpy() if self._confusions else None

    def frame(self, split: str, class_names: Sequence[str], groups: Mapping[str, str]) -> pd.DataFrame:
        """Return one row per image and class, as stored in ``scores.parquet``.

        Columns ``predicted_0``, ``predicted_1``, ...: how many pixels of the row's class were taken for each class.
        Then those that were added by :meth:`add_columns`.

        Args:
            split: Name of the split.
            class_names: Names in the order of the counts' classes.
            groups: Group of each image id.
        """
        table, confusion = self.counts, self.confusion
        classes = len(class_names)
        taken_for = {} if confusion is None else {f"predicted_{i}": confusion[:, :, i].ravel() for i in range(classes)}
        return pd.DataFrame(
            {
                "split": split,
                "id": np.repeat(self.ids, classes),
                "group": np.repeat([groups[image] for image in self.ids], classes),
                "height": np.repeat([size[0] for size in self.sizes], classes),
                "width": np.repeat([size[1] for size in self.sizes], classes),
                "class_index": np.tile(np.arange(classes), len(self.ids)),
                "class_name": np.tile(class_names, len(self.ids)),
            }
            | {name: table[:, :, i].ravel() for i, name in enumerate(("tp", "fp", "fn", "tn"))}
            | taken_for
            | {name: values.ravel() for name, values in self.columns.items()}
        )


def final_scores(table: CountsTable, class_names: Sequence[str], background: bool = True) -> dict[str, float]:
    """Return the mean over classes of every score, object scores where there are any, and each class's Dice and IoU.

    Args:
        table: The counts of a split.
        class_names: All classes, background first if there is one.
        background: Whether there is; without, the scores of all classes together are among them.
    """
    convention = Convention().of(background)
    names = FINAL_SCORES if background else dict.fromkeys((*FINAL_SCORES, *OVERALL_SCORES))
    scores = {name: float(mean_score(table.counts, name, convention)) for name in names}
    columns = table.columns
    for score in with_columns((*OBJECT_SCORES, SEG), columns):
        terms = np.stack([columns[column] for column in score.columns], axis=-1)
        scores[score.name] = mean_score(terms, score, convention)
    for name in PER_CLASS_SCORES:
        values = class_scores(table.counts, name, convention)
        scores |= {f"{name}_{label}": float(values[i]) for i, label in enumerate(class_names) if i >= convention.first}
    return scores
