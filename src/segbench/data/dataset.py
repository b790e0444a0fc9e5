"""Items from arrays: normalised, and augmented where they are asked for by epoch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from segbench.augmentation import Augmentation
from segbench.data.cache import Arrays
from segbench.data.records import Record
from segbench.data.resident import ResidentTensors
from segbench.rng import derive_seed

# Images normalised at once: enough for speed, few enough not to hold a second copy of all.
_AT_ONCE = 4096


class Normalise:
    """From stored pixels to what a network takes: (x / scale - mean) / std for each channel.

    Args:
        mean: Mean of each channel of images scaled to [0,1], (C,).
        std: Standard deviation of each channel, (C,).
        scale: Largest value of the stored images (255 for 8 bits).
    """

    def __init__(self, mean: NDArray[np.floating[Any]], std: NDArray[np.floating[Any]], scale: float) -> None:
        # One multiplication and one addition: x * factor + offset.
        self._factor = torch.as_tensor(1 / (scale * std), dtype=torch.float32).view(-1, 1, 1)
        self._offset = torch.as_tensor(-mean / std, dtype=torch.float32).view(-1, 1, 1)

    def __call__(self, image: NDArray[Any]) -> torch.Tensor:
        """Return float32 (...,C,H,W) for images (...,H,W,C)."""
        pixels = torch.from_numpy(np.ascontiguousarray(image)).movedim(-1, -3).contiguous()
        return pixels.float().mul_(self._factor).add_(self._offset)


class ImageDataset(Dataset[dict[str, Any]]):
    """One split of a data set: images with what is to be learnt of them.

    ``dataset[index]`` is an item as it is; ``dataset[epoch, index]`` is augmented by the seed (seed, "augment",
    epoch, index), so it is the same in any worker.

    Args:
        arrays: Arrays of all records.
        indices: The records of this split.
        records: All records.
        mean: Mean of each channel of images scaled to [0,1], (C,).
        std: Standard deviation of each channel, (C,).
        scale: Largest value of the stored images (255 for 8 bits).
        augmentation: Applied to augmented items; None leaves them as they are.
        seed: The run's seed.

    Attributes:
        target: Key of what is to be learnt in an item and a batch: ``mask`` or ``label``.
    """

    target: ClassVar[str]

    def __init__(
        self,
        arrays: Arrays,
        indices: Sequence[int],
        records: Sequence[Record],
        mean: NDArray[np.float64],
        std: NDArray[np.float64],
        scale: float = 255.0,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.arrays, self.indices = arrays, list(indices)
        self.ids = [records[index].id for index in self.indices]
        self.normalise = Normalise(mean, std, scale)
        self.augmentation, self.seed = augmentation, seed

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """Return ``image`` float32 (C,H,W), ``mask`` int64 (H,W) or ``label`` int64 (), and ``id``."""
        epoch, index = (None, key) if isinstance(key, int | np.integer) else key
        row = self.indices[index]
        image, target = np.array(self.arrays.images[row]), np.array(self.arrays.targets[row])
        if epoch is not None and self.augmentation is not None:
            image, target = self.augment(image, target, derive_seed(self.seed, "augment", epoch, int(index)))
        return {
            "image": self.normalise(image),
            self.target: torch.from_numpy(np.ascontiguousarray(target)).long(),
            "id": self.ids[index],
        }

    @abstractmethod
    def augment(
        self, image: NDArray[Any], target: NDArray[np.uint8], seed: int
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return image and target as the augmentation makes them."""

    def tensors(self, device: torch.device) -> ResidentTensors:
        """Return all items, as they are, on a device."""
        images = self.arrays.images
        image = torch.empty(len(self), images.shape[3], *images.shape[1:3], device=device)
        for start in range(0, len(self), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            image[part] = self.normalise(images[self.indices[part]])
        target = torch.from_numpy(np.asarray(self.arrays.targets[self.indices])).long()
        return ResidentTensors(image, target.to(device), np.array(self.ids, dtype=object), self.target)


class SegmentationDataset(ImageDataset):
    """Images with their masks."""

    target = "mask"

    def augment(
        self, image: NDArray[Any], target: NDArray[np.uint8], seed: int
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return image and mask, moved alike."""
        assert self.augmentation is not None
        return self.augmentation(image, target, seed)


class ClassificationDataset(ImageDataset):
    """Images with their labels."""

    target = "label"

    def augment(
        self, image: NDArray[Any], target: NDArray[np.uint8], seed: int
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the image, augmented; its label stays."""
        assert self.augmentation is not None
        return self.augmentation(image, np.zeros(image.shape[:2], np.uint8), seed)[0], target
