"""Dataset items from arrays: normalised, and augmented if requested by a draw."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from segbench.augmentation import Augmentation, Augmented, Mix
from segbench.data.cache import Arrays, Pair
from segbench.data.loader import Draw
from segbench.data.records import Record
from segbench.errors import ConfigError
from segbench.masks import BITS, INDICES, MaskForm
from segbench.rng import derive_seed, generator
from segbench.scores.overlaps import unpack_bits

Transform = Callable[[NDArray[Any], NDArray[np.uint8]], Pair]


class Normalise:
    """Normalises stored pixels for a network: (x / scale - mean) / std for each channel.

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
        return self.apply(channels_first(image))

    def apply(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return float32 (...,C,H,W) for stored pixels (...,C,H,W), to the same bits on every device."""
        return pixels.float().mul_(self._factor).add_(self._offset)

    @property
    def terms(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What pixels are multiplied by, and what is added then: float32 (C,1,1) each."""
        return self._factor, self._offset

    def on(self, device: torch.device) -> Normalise:
        """Return the same for pixels on a device."""
        there = copy.copy(self)
        there._factor, there._offset = self._factor.to(device), self._offset.to(device)
        return there


def channels_first(image: NDArray[Any]) -> torch.Tensor:
    """Return (...,C,H,W) for images (...,H,W,C)."""
    return torch.from_numpy(np.ascontiguousarray(image)).movedim(-1, -3).contiguous()


class ImageDataset(Dataset[dict[str, Any]]):
    """One split of a data set: images with their targets.

    ``dataset[index]`` is an unaugmented item; ``dataset[draw]`` is augmented with the seed (seed, "augment", epoch,
    item), plus the repeat if it is not the first, so it is the same in any worker; it is mixed by (seed, "mix", ...).
    If images are cut into tiles, each tile is an item. Copies made by the augmentation follow the images: the first
    copy of every image, then the second, with the image's id and the copy's name as their id.

    Args:
        arrays: Arrays of all records.
        indices: The records of this split.
        records: All records.
        mean: Mean of each channel of images scaled to [0,1], (C,).
        std: Standard deviation of each channel, (C,).
        scale: Largest value of the stored images (255 for 8 bits).
        augmentation: Makes copies, which become items, and is applied to drawn items; None for neither.
        seed: The run's seed.
        weights: Pixel weights of each record, float32 (N,H,W); None for no ``weight`` in the items.
        tiles: Rows and columns that images are cut into.
        crop: Height and width of the random crop that a drawn item is, drawn by (seed, "crop", epoch, item) before the
            augmentation; None for whole images.
        num_classes: Number of classes.

    Attributes:
        target: Key of the target in an item and a batch: ``mask`` or ``label``.
        form: How the values of a stored target encode classes.
    """

    target: ClassVar[str]
    form: ClassVar[MaskForm] = INDICES

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
        weights: Any = None,
        tiles: tuple[int, int] = (1, 1),
        crop: tuple[int, int] | None = None,
        num_classes: int = 1,
    ) -> None:
        self.arrays, self.indices, self.weights, self.tiles = arrays, list(indices), weights, tiles
        self.copies = augmentation.copies if augmentation is not None else ()
        ids = [records[index].id for index in self.indices]
        if tiles != (1, 1):
            places = list(product(range(tiles[0]), range(tiles[1])))
            ids = [f"{name} tile {row + 1},{column + 1}" for name in ids for row, column in places]
        self.ids = ids + [f"{name} {copy.name}" for copy in self.copies for name in ids]
        self.normalise = Normalise(mean, std, scale)
        self.augmentation, self.seed, self.crop = augmentation, seed, crop
        self.num_classes = num_classes
        if augmentation is not None and augmentation.mix is not None:
            _check_mix(self)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, key: int | Draw) -> dict[str, Any]:
        """Return ``image`` float32 (C,H,W), ``mask`` int64 (H,W), or (K,H,W) where classes overlap, or ``label``
        int64 (), and ``id``.

        With pixel weights, also ``weight`` float32 (H,W).
        """
        draw, index = (None, key) if isinstance(key, int | np.integer) else (Draw(*key), key[1])
        image, target, maps = self._prepared(index, draw)
        if draw is not None and self.augmentation is not None and self.augmentation.mix is not None:
            image, target, maps = self._mixed((image, target, maps), self.augmentation.mix, draw)
        item = {
            "image": self.normalise(image),
            # Not ascontiguousarray, which makes a vector of a label.
            self.target: self.batch_target(torch.from_numpy(np.array(target, order="C"))),
            "id": self.ids[index],
        }
        return item | {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in maps.items()}

    def _prepared(self, index: int, draw: Draw | None) -> Augmented:
        """Return image, target and further maps of an item, augmented if it is drawn."""
        # A range supports negative indices and rejects those out of bounds.
        number, position = divmod(range(len(self))[index], len(self) // (1 + len(self.copies)))
        image, target, maps = self._stored(position, draw)
        if number:
            copy = self.copies[number - 1]
            maps = {name: copy(image, values)[1] for name, values in maps.items()}
            image, target = self.transformed(copy, image, target)
        if draw is not None and self.augmentation is not None:
            return self._augmented(image, target, maps, draw)
        return image, target, maps

    def _mixed(self, found: Augmented, mix: Mix, draw: Draw) -> Augmented:
        """Return an item in which a part is another item's, as that is augmented where it is drawn itself."""
        image, target, maps = found
        chance = generator(self.seed, "mix", *draw.counters)
        part = mix.part(image.shape[:2], chance)
        if part is None:
            return found
        item = int(chance.integers(len(self)))
        other, others, other_maps = self._prepared(item, draw._replace(item=item))

        def joined(own: NDArray[Any], its: NDArray[Any]) -> NDArray[Any]:
            own = np.array(own)
            own[part] = its[part]
            return own

        return joined(image, other), joined(target, others), {key: joined(maps[key], other_maps[key]) for key in maps}

    def classes_present(self) -> NDArray[np.bool_]:
        """Return which classes each item has, whole and before the augmentation, bool (N,C); a copy has its image's."""
        images, pieces = len(self) // (1 + len(self.copies)), self.tiles[0] * self.tiles[1]
        values = np.zeros((images, 256), bool)
        for position in range(images):
            record, tile = divmod(position, pieces)
            target = self.arrays.targets[self.indices[record]]
            values[position, np.unique(target if pieces == 1 else cut(target, self.tiles, tile))] = True
        classes = [values[:, self.form.values(index)].any(axis=1) for index in range(self.num_classes)]
        return np.tile(np.stack(classes, axis=1), (1 + len(self.copies), 1))

    def batch_target(self, stored: torch.Tensor) -> torch.Tensor:
        """Return stored targets, uint8 (...), as a batch has them: int64, here unchanged."""
        return stored.long()

    def _stored(
        self, position: int, draw: Draw | None
    ) -> tuple[NDArray[Any], NDArray[np.uint8], dict[str, NDArray[Any]]]:
        """Return image, target and further maps of an image, or of a tile or a drawn crop of one."""
        record, tile = divmod(position, self.tiles[0] * self.tiles[1])
        row = self.indices[record]
        arrays = [self.arrays.images[row], self.arrays.targets[row]]
        arrays += [] if self.weights is None else [self.weights[row]]
        if self.tiles != (1, 1):
            arrays = [cut(array, self.tiles, tile) for array in arrays]
        if self.crop is not None and draw is not None:
            part = self._part(arrays[0].shape[:2], self.crop, draw)
            arrays = [array[part] for array in arrays]
        image, target, *weight = (np.array(array) for array in arrays)
        return image, target, dict(zip(("weight",), weight, strict=False))

    def _augmented(
        self, image: NDArray[Any], target: NDArray[np.uint8], maps: dict[str, NDArray[Any]], draw: Draw
    ) -> Augmented:
        augmentation = self.augmentation
        assert augmentation is not None
        seed = derive_seed(self.seed, "augment", *draw.counters)
        augmented_maps = dict[str, NDArray[Any]]()

        def transform(pixels: NDArray[Any], mask: NDArray[np.uint8]) -> Pair:
            pixels, mask, augmented = augmentation.apply(pixels, mask, maps, seed, draw.stage)
            augmented_maps.update(augmented)
            return pixels, mask

        image, target = self.transformed(transform, image, target)
        return image, target, augmented_maps

    def _part(self, size: tuple[int, int], crop: tuple[int, int], draw: Draw) -> tuple[slice, ...]:
        """Return the window of a draw's crop in an image of this height and width."""
        chance = generator(self.seed, "crop", *draw.counters)
        starts = [int(chance.integers(whole - side + 1)) for whole, side in zip(size, crop, strict=True)]
        return tuple(slice(start, start + side) for start, side in zip(starts, crop, strict=True))

    @staticmethod
    @abstractmethod
    def transformed(transform: Transform, image: NDArray[Any], target: NDArray[np.uint8]) -> Pair:
        """Return image and target after ``transform``, a function of image and mask."""

    @classmethod
    def transformed_stack(cls, transform: Transform, images: NDArray[Any], targets: NDArray[np.uint8]) -> Pair:
        """Return stacks of images (N,H,W,C) and targets (N,...), each transformed."""
        pairs = [cls.transformed(transform, image, target) for image, target in zip(images, targets, strict=True)]
        return np.stack([image for image, _ in pairs]), np.stack([target for _, target in pairs])


def _check_mix(dataset: ImageDataset) -> None:
    """Refuse to mix what has no pixels with labels, or not the same size."""
    if dataset.target != "mask":
        raise ConfigError("augmentation.mix: images with a label each cannot be mixed; use another augmentation")
    if isinstance(dataset.arrays.images, list) and dataset.crop is None:
        raise ConfigError("augmentation.mix: needs images of one size; set data.size, or use another augmentation")


def cut(array: NDArray[Any], tiles: tuple[int, int], number: int) -> NDArray[Any]:
    """Return one tile of an array (H,W,...).

    Args:
        array: Its height and width must be divisible by the numbers of tiles.
        tiles: Rows and columns.
        number: Number of the tile, from 0, row by row.
    """
    height, width = array.shape[0] // tiles[0], array.shape[1] // tiles[1]
    row, column = divmod(number, tiles[1])
    return array[row * height : (row + 1) * height, column * width : (column + 1) * width]


class SegmentationDataset(ImageDataset):
    """Images with their masks."""

    target = "mask"

    @staticmethod
    def transformed(transform: Transform, image: NDArray[Any], target: NDArray[np.uint8]) -> Pair:
        """Return image and mask, transformed alike."""
        return transform(image, target)


class MultilabelDataset(SegmentationDataset):
    """Images with overlapping classes: masks are bit sets when stored and augmented, one mask per class in a batch."""

    form = BITS

    def batch_target(self, stored: torch.Tensor) -> torch.Tensor:
        """Return int64 (...,K,H,W) for bit sets (...,H,W): 1 inside the class, 0 outside, 255 for ignored pixels."""
        return unpack_bits(stored, self.num_classes)


class ClassificationDataset(ImageDataset):
    """Images with their labels."""

    target = "label"

    @staticmethod
    def transformed(transform: Transform, image: NDArray[Any], target: NDArray[np.uint8]) -> Pair:
        """Return the transformed image and its unchanged label."""
        return transform(image, np.zeros(image.shape[:2], np.uint8))[0], target
