"""The loaders of a data module: replayable to train, in order to score, from workers or from the device."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from segbench.augmentation import Augmentation
from segbench.data import resident
from segbench.data.dataset import ImageDataset
from segbench.data.loader import BatchSize, Draw, ReplayLoader, images_per_batch, progress_of, steps_of
from segbench.data.resident import ResidentLoader, ResidentTensors
from segbench.errors import ConfigError

# The training images as data that is scored: not augmented, not cut into tiles.
SCORED_TRAIN = "train as it is"


class Loaders(pl.LightningDataModule):
    """What a data module does once its data sets are there; :class:`segbench.data.base.ImageData` makes them.

    Attributes:
        datasets: The data set of each split; the training images as they are scored under :data:`SCORED_TRAIN`.
        splits: The records of each split.
        augmentation, batch_size, num_workers, resident, score_train, seed: As they were chosen; see there.
    """

    datasets: dict[str, ImageDataset]
    splits: dict[str, list[int]]
    augmentation: Augmentation
    batch_size: BatchSize
    num_workers: int
    resident: bool | Literal["auto"]
    score_train: bool
    seed: int

    def __init__(self) -> None:
        super().__init__()
        self._tensors: dict[str, ResidentTensors] = {}

    def train_dataloader(self) -> ReplayLoader | ResidentLoader:
        """Return the training batches; they follow the counters of the trainer this module is attached to."""
        assert self.trainer is not None
        trainer, augmentation = self.trainer, self.augmentation
        size = self.images_per_batch(self.datasets["train"])
        if self._resident():
            tensors, position = self._on_device("train"), lambda: progress_of(trainer)
            return ResidentLoader(tensors, size, self.seed, position, steps_of(trainer))
        return ReplayLoader(
            self.datasets["train"],
            size,
            self.seed,
            lambda: progress_of(trainer),
            steps=steps_of(trainer),
            stage=lambda: augmentation.stage,
            num_workers=self.num_workers,
            worker_init=limit_worker_threads,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def val_dataloader(self) -> Any:
        """Return the validation batches, in order; nothing where they are trained on."""
        return self._in_order("val") if "val" in self.splits else []

    def eval_dataloaders(self) -> dict[str, Any]:
        """Return the batches of every split that is scored at the end: ``val``, and ``test`` where it has labels.

        Before them those of the training images, as ``train``, if they are to be scored.
        """
        train = {"train": self._in_order(SCORED_TRAIN)} if self.score_train else {}
        return train | {split: self._in_order(split) for split in ("val", "test") if self.splits.get(split)}

    def scored(self, split: str) -> ImageDataset:
        """Return the images of a split as they are scored: whole, and not augmented."""
        return self.datasets[SCORED_TRAIN if split == "train" else split]

    def images_per_batch(self, dataset: ImageDataset) -> int:
        """Return how many images a batch of a data set holds."""
        return images_per_batch(self.batch_size, dataset)

    def trained_size(self) -> tuple[int, int]:
        """Return height and width of the images as they are trained on: of larger ones, of the crop."""
        height, width = self.datasets["train"][Draw(0, 0)]["image"].shape[-2:]
        return height, width

    def describe(self) -> str:
        """Return in one line what is trained on and validated, after augmentation, cutting and cropping."""
        sizes = {"train": self.trained_size()}
        if "val" in self.datasets:
            sizes["val"] = self.datasets["val"][0]["image"].shape[-2:]
        words = {"train": "training on", "val": "validating"}
        return ", ".join(
            f"{words[split]} {len(self.datasets[split])} images of {width}x{height}"
            for split, (height, width) in sizes.items()
        )

    def test_dataloader(self) -> list[Any]:
        """Return the batches of :meth:`eval_dataloaders`, in its order."""
        return list(self.eval_dataloaders().values())

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave resident batches as they are; going through their ids costs a small network as much as a layer."""
        if batch["image"].device == device:
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    # -- helpers -----------------------------------------------------------------------------------

    def _in_order(self, split: str) -> Any:
        if self._resident():
            return ResidentLoader(self._on_device(split), self.images_per_batch(self.datasets[split]))
        return DataLoader(
            self.datasets[split],
            batch_size=self.images_per_batch(self.datasets[split]),
            num_workers=self.num_workers,
            worker_init_fn=limit_worker_threads if self.num_workers else None,
        )

    def _resident(self) -> bool:
        """Decide, once, whether the data lies on the training device.

        Raises:
            ConfigError: If that is asked for and cannot be.
        """
        if self.resident is False:
            return False
        obstacle = resident.obstacle(self.datasets, self.num_workers)
        if self.resident is True and obstacle:
            raise ConfigError(f"data.resident=true: {obstacle}; use data.resident=auto")
        return obstacle is None

    def _on_device(self, split: str) -> ResidentTensors:
        device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
        if split not in self._tensors or self._tensors[split].device != device:
            self._tensors[split] = ResidentTensors.of(self.datasets[split], device)
        return self._tensors[split]


def limit_worker_threads(worker: int) -> None:
    """Keep a worker process to one thread, so that workers do not fight over the cores."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
