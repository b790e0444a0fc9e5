"""Items from arrays: normalised, and augmented where they are asked for by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from segbench.augmentation import Augmentation
from segbench.data.cache import Arrays, Pair
from segbench.data.records import Record
from segbench.rng import derive_seed


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
        """Return float32 (C,H,W) for an image (H,W,C)."""
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).contiguous()
        return pixels.float().mul_(self._factor).add_(self._offset)


class SegmentationDataset(Dataset[dict[str, Any]]):
    """One split of a data set.

    ``dataset[index]`` is an item as it is; ``dataset[epoch, index]`` is augmented by the seed (seed, "augment",
    epoch, index), so it is the same in any worker. Where the augmentation makes copies, they follow the images: first
    copy of every image, then the second, each under the image's id and the copy's name.

    Args:
        arrays: Arrays of all records.
        indices: The records of this split.
        records: All records.
        mean: Mean of each channel of images scaled to [0,1], (C,).
        std: Standard deviation of each channel, (C,).
        scale: Largest value of the stored images (255 for 8 bits).
        augmentation: Its copies become items, and it is applied to augmented items; None leaves them as they are.
        seed: The run's seed.
    """

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
        self.copies = augmentation.copies if augmentation is not None else ()
        ids = [records[index].id for index in self.indices]
        self.ids = ids + [f"{name} {copy.name}" for copy in self.copies for name in ids]
        self.normalise = Normalise(mean, std, scale)
        self.augmentation, self.seed = augmentation, seed

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """Return ``image`` float32 (C,H,W), ``mask`` int64 (H,W) and ``id``."""
        epoch, index = (None, key) if isinstance(key, int | np.integer) else key
        # A range counts from the end too, and refuses what is outside.
        number, place = divmod(range(len(self))[index], len(self.indices))
        row = self.indices[place]
        image, mask = np.array(self.arrays.images[row]), np.array(self.arrays.masks[row])
        if number:
            image, mask = self.copies[number - 1](image, mask)
        if epoch is not None and self.augmentation is not None:
            image, mask = self.augmentation(image, mask, derive_seed(self.seed, "augment", epoch, int(index)))
        return {
            "image": self.normalise(image),
            "mask": torch.from_numpy(np.ascontiguousarray(mask)).long(),
            "id": self.ids[index],
        }


def training_samples(arrays: Arrays, indices: Sequence[int], augmentation: Augmentation | None) -> Iterator[Pair]:
    """Yield image and mask of every training sample as stored, each image followed by its copies.

    Args:
        arrays: Arrays of all records.
        indices: The training records.
        augmentation: What makes the copies, if there is one.
    """
    for index in indices:
        image, mask = np.asarray(arrays.images[index]), np.asarray(arrays.masks[index])
        yield image, mask
        yield from (copy(image, mask) for copy in (augmentation.copies if augmentation is not None else ()))
