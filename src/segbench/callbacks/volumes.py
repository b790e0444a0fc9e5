"""Scores of whole volumes on their original grid, beside those of the slices that the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

from segbench.callbacks.column_scores import ColumnScorer
from segbench.processes import own_share
from segbench.tasks.inference import masks_of, predict_on_grid


class VolumeScores(pl.Callback):
    """Adds a split ``<split>_volumes`` to the task's evaluation for data whose images are slices.

    Frames that were made smaller are volumes of one slice; their split is ``<split>_full``.

    The probabilities of a volume's slices are brought back to its own grid (spacing, size), the task's prediction is
    made of them there, and compared with the labels as they were drawn; a volume counts once, whatever its number of
    slices.

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
            volumes, scored = self.data.volume_slices(split), self.data.scored(split)
            if not volumes:
                continue
            if _untouched(volumes, task.evaluation[split].ids):
                # Whole frames at their own size already: predicting them again would tell nothing new.
                task.evaluation[split + self.data.whole_suffix] = task.evaluation[split]
                continue
            table = task.evaluation[split + self.data.whole_suffix] = task.new_table()
            objects = not self._draws_objects(split)
            # As a batch each, in turn.
            for volume in own_share().cut(volumes):
                truth, prediction = self.data.learned_mask(volume.truth()), self._predict(task, trainer, split, volume)
                # One image a volume: slices below each other.
                labels = [
                    scored.batch_target(torch.from_numpy(masks).flatten(0, 1)[None]) for masks in (prediction, truth)
                ]
                table.update([volume.id], task.count(*labels), volume.plane.source)
                if len(volume.spacing) == 2:
                    truth, prediction = truth[0], prediction[0]
                if columns := self.scorer.columns(volume.id, truth, prediction, volume.spacing, objects=objects):
                    table.add_columns(columns)

    def _draws_objects(self, split: str) -> bool:
        """Say whether annotators drew the objects: they are known on the grid of the scored images only."""
        return any(self.data.instances(self.data.records[index]) is not None for index in self.data.splits[split][:1])

    def _predict(self, task: Any, trainer: pl.Trainer, split: str, volume: Any) -> NDArray[np.uint8]:
        """Return the predicted mask of a volume on its own grid, uint8 (Z,H,W)."""
        scored = self.data.scored(split)
        images = torch.stack([scored[position]["image"] for position in volume.positions])
        together = self.data.images_per_batch(scored)
        return masks_of(task, predict_on_grid(task, images, volume.plane, trainer.precision, together))


def _untouched(volumes: Sequence[Any], ids: Sequence[str]) -> bool:
    """Say whether the volumes are the scored images themselves, by name, on their own grid."""
    return [volume.id for volume in volumes] == list(ids) and all(
        volume.plane.source == volume.plane.resampled == volume.plane.size for volume in volumes
    )
