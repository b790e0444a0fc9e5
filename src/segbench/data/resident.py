"""Small data sets as one tensor on the training device: batches are indexed from it, not assembled in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.data.dataset import ImageDataset
from segbench.data.loader import EpochOrder, Position

# Images normalised at once: enough for speed, few enough not to need a second copy of all.
_AT_ONCE = 4096

# Upper limit of the bytes of all splits together, as float32.
MOST_BYTES = 512 * 2**20


@dataclass(frozen=True)
class ResidentTensors:
    """A split, normalised, on a device.

    Attributes:
        image: float32 (N,C,H,W).
        target: As it is stored, uint8 (N,) or (N,H,W).
        ids: The N ids, as objects.
        dataset: The split; it tells what a batch has of targets, and what they are called there.
    """

    image: Tensor
    target: Tensor
    ids: NDArray[np.object_]
    dataset: ImageDataset

    @classmethod
    def of(cls, dataset: ImageDataset, device: torch.device) -> Self:
        """Return all items of a data set, unaugmented, on a device."""
        image = torch.empty(len(dataset), *dataset[0]["image"].shape, device=device)
        target = []
        for number, start in product(range(1 + len(dataset.copies)), range(0, len(dataset.indices), _AT_ONCE)):
            rows = dataset.indices[start : start + _AT_ONCE]
            images, targets = dataset.arrays.images[rows], np.asarray(dataset.arrays.targets[rows])
            if number:
                images, targets = dataset.transformed_stack(dataset.copies[number - 1], images, targets)
            first = number * len(dataset.indices) + start
            image[first : first + len(rows)] = dataset.normalise(images)
            target.append(torch.from_numpy(targets))
        return cls(image, torch.cat(target).to(device), np.array(dataset.ids, dtype=object), dataset)

    @property
    def device(self) -> torch.device:
        """The device of all tensors."""
        return self.image.device

    def batch(self, indices: NDArray[np.int64] | slice) -> dict[str, Any]:
        """Return a batch like a DataLoader's.

        Args:
            indices: Indices in the split, (B,).
        """
        where = indices if isinstance(indices, slice) else self._sent(torch.from_numpy(indices))
        target = self.dataset.batch_target(self.target[where])
        return {"image": self.image[where], self.dataset.target: target, "id": self.ids[indices].tolist()}

    def _sent(self, indices: Tensor) -> Tensor:
        """Return indices on the device; a GPU takes them from pinned memory, when it comes to them."""
        on_card = self.device.type == "cuda"
        return (indices.pin_memory() if on_card else indices).to(self.device, non_blocking=on_card)


class ResidentLoader:
    """Batches of resident tensors, in order, or shuffled by (seed, epoch) and starting anywhere in an epoch.

    Batches are bit-identical to those of :class:`segbench.data.loader.ReplayLoader`.

    Args:
        tensors: The split.
        batch_size: Images per batch; the last may be smaller.
        seed: The run's seed; None keeps the order of the split.
        position: Returns the (epoch, batch) to continue at; called once, at the first batch of every epoch.
        steps: Batches per shuffled epoch; None for one pass.
    """

    def __init__(
        self,
        tensors: ResidentTensors,
        batch_size: int,
        seed: int | None = None,
        position: Position = lambda: (0, 0),
        steps: int | None = None,
    ) -> None:
        self._tensors, self._position = tensors, position
        self._batch_size = batch_size
        self._order = None if seed is None else EpochOrder(len(tensors.ids), batch_size, seed, steps)

    def __len__(self) -> int:
        return -(-len(self._tensors.ids) // self._batch_size) if self._order is None else len(self._order)

    def images_in(self, batch: int) -> int:
        """Return how many images a batch of a shuffled epoch has."""
        assert self._order is not None
        return self._order.images_in(batch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # A generator: the position is read at the first batch, after the trainer has restored its counters.
        if self._order is None:
            for batch in range(len(self)):
                yield self._tensors.batch(slice(batch * self._batch_size, (batch + 1) * self._batch_size))
            return
        epoch, start = self._position()
        for indices, _ in self._order.batches(epoch, start):
            yield self._tensors.batch(indices)

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: the trainer holds the position. Its presence tells Lightning that resuming is safe."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing, for the same reason."""


def obstacle(datasets: Mapping[str, ImageDataset], num_workers: int) -> str | None:
    """Return why the data cannot be kept on the device, or None.

    Args:
        datasets: All splits.
        num_workers: Worker processes, which would have nothing to do.
    """
    if any(dataset.augmentation is not None and dataset.augmentation.transforms for dataset in datasets.values()):
        return "augmentation works image by image"
    if any(dataset.tiles != (1, 1) for dataset in datasets.values()):
        return "data.tiles cuts image by image"
    if any(dataset.weights is not None for dataset in datasets.values()):
        return "the loss needs each image's pixel weights"
    if any(isinstance(dataset.arrays.images, list) for dataset in datasets.values()):
        return "the images have several sizes"
    if num_workers:
        return f"data.num_workers={num_workers} loads image by image"
    images = next(iter(datasets.values())).arrays.images
    needed = 4 * sum(len(dataset) for dataset in datasets.values()) * int(np.prod(images.shape[1:]))
    if needed > MOST_BYTES:
        return f"the images take {needed / 2**20:.0f} MiB, more than {MOST_BYTES // 2**20} MiB"
    return None
