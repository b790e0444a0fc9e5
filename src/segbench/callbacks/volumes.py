"""Scores of whole volumes on their original grid, beside those of the slices that the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

from segbench.callbacks.column_scores import ColumnScorer
from segbench.scores.counts import confusion_matrices
from segbench.tasks.inference import predict_probabilities


class VolumeScores(pl.Callback):
    """Adds a split ``<split>_volumes`` to the task's evaluation for data whose images are slices.

    Frames that were made smaller are volumes of one slice; their split is ``<split>_full``.

    The probabilities of a volume's slices are brought back to its own grid (spacing, size), the likeliest class is
    taken there, and compared with the labels as they were drawn; a volume counts once, whatever its number of slices.

    Args:
        data: The data module (:class:`segbench.data.segmentation.SegmentationData`), set up before the evaluation.
        scorer: What fills the columns of further scores.
    """

    def __init__(self, data: Any, scorer: ColumnScorer) -> None:
        self.data, self.scorer = data, scorer

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the volumes of every split that was scored by slices."""
        task: Any = pl_module
        for split in list(task.evaluation):
            volumes = self.data.volume_slices(split)
            if not volumes:
                continue
            if _untouched(volumes, task.evaluation[split].ids):
                # Whole frames at their own size already: predicting them again would tell nothing new.
                task.evaluation[split + self.data.whole_suffix] = task.evaluation[split]
                continue
            table = task.evaluation[split + self.data.whole_suffix] = task.new_table()
            objects = not self._draws_objects(split)
            for volume in volumes:
                truth, prediction = volume.truth().astype(np.int64), self._predict(task, trainer, split, volume)
                # One image a volume: slices below each other.
                found, wanted = (torch.from_numpy(part.reshape(1, -1, part.shape[-1])) for part in (prediction, truth))
                confusion = confusion_matrices(found, wanted, self.data.num_classes, task.ignore_index)
                table.update([volume.id], confusion, volume.plane.source)
                if len(volume.spacing) == 2:
                    truth, prediction = truth[0], prediction[0]
                if columns := self.scorer.columns(volume.id, truth, prediction, volume.spacing, objects=objects):
                    table.add_columns(columns)

    def _draws_objects(self, split: str) -> bool:
        """Say whether annotators drew the objects: they are known on the grid of the scored images only."""
        return any(self.data.instances(self.data.records[index]) is not None for index in self.data.splits[split][:1])

    def _predict(self, task: Any, trainer: pl.Trainer, split: str, volume: Any) -> NDArray[np.int64]:
        """Return the likeliest class of every voxel of a volume on its own grid, int64 (Z,H,W)."""
        scored = self.data.scored(split)
        images = torch.stack([scored[position]["image"] for position in volume.positions])
        found = predict_probabilities(task, images, trainer.precision, self.data.images_per_batch(scored))
        return np.stack([volume.plane.restore(part).argmax(axis=0) for part in found.numpy()])


def _untouched(volumes: Sequence[Any], ids: Sequence[str]) -> bool:
    """Say whether the volumes are the scored images themselves, by name, on their own grid."""
    return [volume.id for volume in volumes] == list(ids) and all(
        volume.plane.source == volume.plane.resampled == volume.plane.size for volume in volumes
    )
