"""What the network made of the scored split, kept for pictures that compare configurations.

Of a classification only the images are kept: what it made of them stands with the scores.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.pictures.panels import input_picture
from segbench.processes import gathered, own_share
from segbench.runs.archive import PREDICTIONS, ArchiveWriter, images_name
from segbench.runs.run_callback import RunCallback, RunContext, only_warning

log = logging.getLogger("segbench")
MEGABYTE = 2**20
SMALL = 64


class StoredPredictions(RunCallback):
    """Keeps the predictions of a scored split in the run, and its images, once, beside the runs.

    Which image is the best or the most disputed is known only when all runs of a comparison are there; to predict again
    then would need the weights, the data and the time.

    Args:
        megabytes: Most that the predictions of a run, and the images of an experiment, may take; beyond it they are not
            kept, and 0 keeps none.
        side: Longer sides of images are reduced to this many pixels; masks are kept as they are.
        split: The split that a comparison is about, ``val`` or ``val_volumes`` say. If it is None, or not scored, the
            last scored split is kept.
    """

    changes_result = False

    def __init__(self, megabytes: float = 64, side: int = 512, split: str | None = None) -> None:
        if megabytes < 0 or side < 16:
            raise ValueError(f"megabytes must be at least 0 and side at least 16, got {megabytes}, {side}")
        self.megabytes = megabytes
        self.side, self.split = side, split
        self._writer = ArchiveWriter(0)
        self._from: str | None = None

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin anew."""
        task: Any = pl_module
        self._writer = ArchiveWriter(self.megabytes * MEGABYTE)
        self._from = self._kept(list(task.evaluation)) if task.evaluation else None

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take the predictions of a batch of the split that is kept."""
        task: Any = pl_module
        kept = batch["id"] and task.has_masks and list(task.evaluation)[dataloader_idx] == self._from
        if kept and self.megabytes and not self._writer.full:
            masks = task.stored_masks(outputs).cpu().numpy()
            for name, mask in zip(batch["id"], masks, strict=True):
                self._writer.add(name, mask)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Bring the predictions of all processes together, in the order of the split."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]  # set by trainer.test
        if own_share().count > 1 and self._from is not None:
            self._writer = ArchiveWriter.joined(gathered(self._writer), data.scored(self._from).ids)

    def _kept(self, splits: Sequence[str]) -> str:
        # Volumes and frames at their full size are scored beside the split that they belong to.
        asked = (self.split or "").partition("_")[0]
        return asked if asked in splits else splits[-1]

    def finish(self, context: RunContext) -> None:
        """Write both files; what fails is only warned of, so that pictures cannot fail a run."""
        if context.splits:
            with only_warning(PREDICTIONS, "kept"):
                self._write(context, self._kept(context.splits))

    def _write(self, context: RunContext, split: str) -> None:
        data, path = context.data, context.run.path / PREDICTIONS
        path.unlink(missing_ok=True)
        names = list(data.class_names)
        if context.task.has_masks and not self._writer.write(path, split=split, class_names=names):
            if self._writer.full:
                log.info("%s: not kept, as more than %g MB", PREDICTIONS, self.megabytes)
            return
        images = context.run.path.parent / images_name(split, data.fingerprint, data.scored(split).ids)
        if self.megabytes and not images.exists() and data.in_channels in (1, 2, 3):
            self._write_images(images, context, split)

    def _write_images(self, path: Path, context: RunContext, split: str) -> None:
        data, task = context.data, context.task
        writer = ArchiveWriter(self.megabytes * MEGABYTE)
        dataset = data.scored(split)
        records = {record.id: record for record in data.records}
        for item in (dataset[index] for index in range(len(dataset))):
            scaled = input_picture(item["image"], data.mean, data.std)
            image: NDArray[Any] = (255 * scaled).round().astype(np.uint8)
            shrink = self.side / max(image.shape[:2])
            if shrink < 1:
                size = tuple(max(round(length * shrink), 1) for length in image.shape[1::-1])
                image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)).reshape(size[1], size[0], -1)
            writer.add(
                item["id"],
                task.stored_masks(item["mask"][None])[0].numpy() if task.has_masks else None,
                image,
                exact=max(image.shape[:2]) <= SMALL,  # small images are kept as they are
                objects=data.instances(records[item["id"]]) if item["id"] in records else None,
            )
        if not writer.write(path, split=split) and writer.full:
            log.info("%s: not kept, as more than %g MB", path.name, self.megabytes)
