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

from segbench.data.dataset import ImageDataset, Normalise, channels_first
from segbench.data.loader import BatchesInOrder, EpochOrder, Position
from segbench.processes import Share

# Images normalised at once: enough for speed, few enough not to need a second copy of all.
_AT_ONCE = 4096

# Upper limit of the bytes of all splits together in main memory; on a GPU, this share of what is free.
MOST_BYTES = 512 * 2**20
_OF_GPU = 0.25


@dataclass(frozen=True)
class ResidentTensors:
    """A split on a device: normalised, or, of 8-bit images on a GPU, as they are stored, to be normalised as a batch.

    Attributes:
        image: float32 (N,C,H,W), or uint8.
        target: As it is stored, uint8 (N,) or (N,H,W).
        ids: The N ids, as objects.
        dataset: The split; it tells what a batch has of targets, and what they are called there.
        normalise: Normalises the images of a batch, where they are not.
    """

    image: Tensor
    target: Tensor
    ids: NDArray[np.object_]
    dataset: ImageDataset
    normalise: Normalise | None = None

    @classmethod
    def of(cls, dataset: ImageDataset, device: torch.device) -> Self:
        """Return all items of a data set, unaugmented, on a device."""
        as_stored = stays_stored(dataset, device)
        kind = torch.uint8 if as_stored else torch.float32
        image = torch.empty(len(dataset), *dataset[0]["image"].shape, dtype=kind, device=device)
        target = []
        for number, start in product(range(1 + len(dataset.copies)), range(0, len(dataset.indices), _AT_ONCE)):
            rows = dataset.indices[start : start + _AT_ONCE]
            images, targets = dataset.arrays.images[rows], np.asarray(dataset.arrays.targets[rows])
            if number:
                images, targets = dataset.transformed_stack(dataset.copies[number - 1], images, targets)
            first = number * len(dataset.indices) + start
            image[first : first + len(rows)] = channels_first(images) if as_stored else dataset.normalise(images)
            target.append(torch.from_numpy(targets))
        normalise = dataset.normalise.on(device) if as_stored else None
        return cls(image, torch.cat(target).to(device), np.array(dataset.ids, dtype=object), dataset, normalise)

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
        image = self.image[where]
        if self.normalise is not None:
            image = self.normalise.apply(image)
        return {"image": image, self.dataset.target: target, "id": self.ids[indices].tolist()}

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
        share: What this process has: in order every n-th batch, shuffled a part of each.
        weights: How often each image is drawn beside the others (N,); None for once in every pass.
    """

    def __init__(
        self,
        tensors: ResidentTensors,
        batch_size: int,
        seed: int | None = None,
        position: Position = lambda: (0, 0),
        steps: int | None = None,
        share: Share | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self._tensors, self._position = tensors, position
        self._in_order = BatchesInOrder(len(tensors.ids), batch_size, share or Share())
        self._order = None if seed is None else EpochOrder(len(tensors.ids), batch_size, seed, steps, share, weights)

    def __len__(self) -> int:
        return len(self._in_order if self._order is None else self._order)

    def images_in(self, batch: int) -> int:
        """Return how many images a batch of a shuffled epoch has."""
        assert self._order is not None
        return self._order.images_in(batch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # A generator: the position is read at the first batch, after the trainer has restored its counters.
        if self._order is None:
            for rows in self._in_order:
                yield self._tensors.batch(slice(rows.start, rows.stop))
            return
        epoch, start = self._position()
        for indices, _ in self._order.batches(epoch, start):
            yield self._tensors.batch(indices)

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: the trainer holds the position. Its presence tells Lightning that resuming is safe."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing, for the same reason."""


def stays_stored(dataset: ImageDataset, device: torch.device) -> bool:
    """Return whether images lie on the device as they are stored, a quarter of the bytes: so on a GPU."""
    return device.type == "cuda" and dataset.arrays.images.dtype == np.uint8


def obstacle(datasets: Mapping[str, ImageDataset], num_workers: int, device: torch.device) -> str | None:
    """Return why the data cannot be kept on the device, or None.

    Args:
        datasets: All splits.
        num_workers: Worker processes that were asked for, which would have nothing to do.
        device: The device.
    """
    augmentations = [dataset.augmentation for dataset in datasets.values() if dataset.augmentation is not None]
    if any(augmentation.transforms or augmentation.mix is not None for augmentation in augmentations):
        return "augmentation works image by image"
    if any(dataset.tiles != (1, 1) for dataset in datasets.values()):
        return "data.tiles cuts image by image"
    if any(dataset.weights is not None for dataset in datasets.values()):
        return "the loss needs each image's pixel weights"
    if any(isinstance(dataset.arrays.images, list) for dataset in datasets.values()):
        return "the images have several sizes"
    if num_workers:
        return f"data.num_workers={num_workers} loads image by image"
    needed, most = sum(_bytes(dataset, device) for dataset in datasets.values()), _most_bytes(device)
    if needed > most:
        return f"images and masks take {needed / 2**20:.0f} MiB, more than {most / 2**20:.0f} MiB"
    return None


def _bytes(dataset: ImageDataset, device: torch.device) -> int:
    """Return what a split takes on the device, images and targets."""
    image = int(np.prod(dataset.arrays.images.shape[1:])) * (1 if stays_stored(dataset, device) else 4)
    return len(dataset) * (image + np.asarray(dataset.arrays.targets[0]).nbytes)


def _most_bytes(device: torch.device) -> int:
    return int(_OF_GPU * torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else MOST_BYTES
