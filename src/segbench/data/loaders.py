"""A data module's loaders: resumable for training, in order for scoring, from workers or from the device."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

from segbench.augmentation import Augmentation
from segbench.data import resident
from segbench.data.dataset import ImageDataset
from segbench.data.loader import BatchSize, Draw, ReplayLoader, images_per_batch, in_order, progress_of, steps_of
from segbench.data.resident import ResidentLoader, ResidentTensors
from segbench.data.sampling import repeat_factors
from segbench.environment import loader_processes
from segbench.errors import ConfigError
from segbench.processes import own_share
from segbench.runs.signals import leave_stopping_to_parent

NumWorkers = int | Literal["auto"]
# Key of the training images for scoring: not augmented, not cut into tiles.
SCORED_TRAIN = "train, unaugmented"


class Loaders(pl.LightningDataModule):
    """The loaders of a data module; :class:`segbench.data.base.ImageData` makes the data sets.

    Of several processes each has a share of every training batch, and every n-th batch of what is scored.

    Attributes:
        datasets: The data set of each split; :data:`SCORED_TRAIN` is that of the training images for scoring.
        splits: The record indices of each split.
        augmentation, batch_size, num_workers, resident, score_train, seed: The options of
            :class:`segbench.data.base.ImageData`.
    """

    datasets: dict[str, ImageDataset]
    splits: dict[str, list[int]]
    augmentation: Augmentation
    batch_size: BatchSize
    num_workers: NumWorkers
    resident: bool | Literal["auto"]
    score_train: bool
    seed: int
    oversample: float | None

    def __init__(self) -> None:
        super().__init__()
        self._tensors: dict[str, ResidentTensors] = {}

    def reads_at_once(self) -> bool:
        """Say whether threads may call ``read`` at once, which keeps nothing of a record for the next."""
        return False

    def read_by_threads(self) -> bool:
        """Say whether threads may call ``read``: a class that reads in another way than its base says so anew."""
        said, read = (
            next(place for place, kind in enumerate(type(self).__mro__) if name in vars(kind))
            for name in ("reads_at_once", "read")
        )
        return said <= read and self.reads_at_once()

    def train_dataloader(self) -> ReplayLoader | ResidentLoader:
        """Return the training batches, which follow the progress counters of the attached trainer."""
        assert self.trainer is not None
        trainer, augmentation = self.trainer, self.augmentation
        size = self.images_per_batch(self.datasets["train"])
        if self._resident():
            tensors, position = self._on_device("train"), lambda: progress_of(trainer)
            return ResidentLoader(
                tensors, size, self.seed, position, steps_of(trainer), own_share(), self.draw_weights()
            )
        return ReplayLoader(
            self.datasets["train"],
            size,
            self.seed,
            lambda: progress_of(trainer),
            steps=steps_of(trainer),
            stage=lambda: augmentation.stage,
            num_workers=self._workers(),
            worker_init=begin_worker,
            pin_memory=self._feeds_gpu(),
            share=own_share(),
            weights=self.draw_weights(),
        )

    def draw_weights(self) -> NDArray[np.float64] | None:
        """Return how often each training image is drawn beside the others (N,); None for once in every pass."""
        if self.oversample is None:
            return None
        return repeat_factors(self.datasets["train"].classes_present(), self.oversample)

    def val_dataloader(self) -> Any:
        """Return the validation batches, in order; none if validation images are trained on."""
        return self._in_order("val") if "val" in self.splits else []

    def eval_dataloaders(self) -> dict[str, Any]:
        """Return the loader of every split that is scored at the end: ``val``, and ``test`` if it has labels.

        If training images are scored too, their loader comes first, as ``train``.
        """
        train = {"train": self._in_order(SCORED_TRAIN)} if self.score_train else {}
        return train | {split: self._in_order(split) for split in ("val", "test") if self.splits.get(split)}

    def scored(self, split: str) -> ImageDataset:
        """Return the data set of a split for scoring: whole images, not augmented."""
        return self.datasets[SCORED_TRAIN if split == "train" else split]

    def images_per_batch(self, dataset: ImageDataset) -> int:
        """Return how many images a batch of a data set holds."""
        return images_per_batch(self.batch_size, dataset)

    def trained_size(self) -> tuple[int, int]:
        """Return height and width of the images as they are trained on: of larger ones, of the crop."""
        height, width = self.datasets["train"][Draw(0, 0)]["image"].shape[-2:]
        return height, width

    def describe(self) -> str:
        """Return one line with the number and size of training and validation images, after augmentation and crops."""
        sizes = {"train": self.trained_size()}
        if "val" in self.datasets:
            sizes["val"] = self.datasets["val"][0]["image"].shape[-2:]
        words = {"train": "training on", "val": "validating"}
        return ", ".join(
            f"{words[split]} {len(self.datasets[split])} images of {width}x{height}"
            for split, (height, width) in sizes.items()
        )

    def test_dataloader(self) -> list[Any]:
        """Return the loaders of :meth:`eval_dataloaders`, in their order."""
        return list(self.eval_dataloaders().values())

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Skip resident batches: traversing their ids takes as long as a layer of a small network."""
        if batch["image"].device == device:
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    # -- helpers -----------------------------------------------------------------------------------

    def _in_order(self, split: str) -> Any:
        if self._resident():
            size = self.images_per_batch(self.datasets[split])
            return ResidentLoader(self._on_device(split), size, share=own_share())
        workers = self._workers()
        return in_order(
            self.datasets[split],
            self.images_per_batch(self.datasets[split]),
            own_share(),
            num_workers=workers,
            worker_init_fn=begin_worker if workers else None,
            persistent_workers=workers > 0,
            pin_memory=self._feeds_gpu(),
        )

    def _workers(self) -> int:
        """Return the number of loader processes."""
        if self.num_workers != "auto":
            return self.num_workers
        return loader_processes() if self._feeds_gpu() else 0

    def _feeds_gpu(self) -> bool:
        return self._device().type == "cuda"

    def _device(self) -> torch.device:
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device

    def _resident(self) -> bool:
        """Return whether the data is kept on the training device.

        Raises:
            ConfigError: If ``data.resident=true`` asks for that and it is impossible.
        """
        if self.resident is False:
            return False
        asked = 0 if self.num_workers == "auto" else self.num_workers
        obstacle = resident.obstacle(self.datasets, asked, self._device())
        if self.resident is True and obstacle:
            raise ConfigError(f"data.resident=true: {obstacle}; use data.resident=auto")
        return obstacle is None

    def _on_device(self, split: str) -> ResidentTensors:
        device = self._device()
        if split not in self._tensors or self._tensors[split].device != device:
            self._tensors[split] = ResidentTensors.of(self.datasets[split], device)
        return self._tensors[split]


def begin_worker(worker: int) -> None:
    """Limit a worker process to one thread, so that workers do not compete for cores; leave its end to the run."""
    leave_stopping_to_parent()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
