"""Augmentation: copies of training images, and changes whose randomness is the sample's seed and nothing else."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import albumentations
import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.augmentation.copies import Copy
from segbench.errors import ConfigError

# An image (H,W,C), its mask uint8 (H,W), and by name the planes (H,W) that belong to its pixels.
Moved = tuple[NDArray[Any], NDArray[np.uint8], dict[str, NDArray[Any]]]
# The name under which the map of where each pixel came from goes through the transforms.
_SOURCE = "source"
# float32 counts whole numbers to here.
_MOST_PIXELS = 2**24


class Augmentation:
    """Copies of the training images, and albumentations transforms applied to image and mask together.

    Copies are samples of their own: with two copies the training set is 3 times as large, and so is an epoch. They are
    made of training images only, hence after the split, and every sample, copy or not, passes the transforms.

    An unseeded ``Compose`` draws the same numbers in every worker and in every epoch (albumentations 2.0.8), and
    global seeds do not reach it. Here it is seeded anew for every sample.

    Args:
        transforms: Transforms of albumentations, in order; they must keep the size. None leaves images as they are. If
            they are named (a mapping), the names serve to change them from the command line:
            ``augmentation.transforms.mirror.p=0``.
        copies: What is added to the training set for each of its images; none by default.

    Raises:
        ConfigError: If two copies have the same name.
    """

    def __init__(self, transforms: Sequence[Any] | Mapping[str, Any] = (), copies: Sequence[Copy] = ()) -> None:
        names = [copy.name for copy in copies]
        if len(set(names)) < len(names):
            raise ConfigError(f"augmentation.copies: {', '.join(names)}: two are the same; name each once")
        self.copies = tuple(copies)
        self.transforms = list(transforms.values() if isinstance(transforms, Mapping) else transforms)
        self._compose: albumentations.Compose | None = None
        if self.transforms:
            # The map moves as the mask does.
            self._compose = albumentations.Compose(self.transforms, additional_targets={_SOURCE: "mask"})

    @property
    def stage(self) -> int:
        """The stage that training is at, from 0; without a curriculum there is one."""
        return 0

    def callbacks(self) -> list[pl.Callback]:
        """Return the callbacks that a training with this augmentation needs, new ones for each training."""
        return []

    def check(self, scores: Collection[str], data: str) -> None:
        """Refuse what would wait for a score that no validation gives; plain transforms wait for none.

        Args:
            scores: What every validation gives; empty where no images are left to validate on.
            data: Name of the data set.

        Raises:
            ConfigError: Names the key.
        """

    def __call__(
        self, image: NDArray[Any], mask: NDArray[np.uint8], seed: int
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the transformed image and mask: :meth:`move` without planes, in its first stage."""
        image, mask, _ = self.move(image, mask, {}, seed)
        return image, mask

    def move(
        self,
        image: NDArray[Any],
        mask: NDArray[np.uint8],
        planes: Mapping[str, NDArray[Any]],
        seed: int,
        stage: int = 0,
    ) -> Moved:
        """Return the transformed image, mask and planes.

        Args:
            image: (H,W,C), uint8, uint16 or float32.
            mask: uint8 (H,W); moved with nearest neighbour, 255 where nothing is known.
            planes: What else is known of the pixels, by name: (H,W) of any type, for example weights or instances.
                Every value goes exactly where its mask pixel goes; what comes in from outside is 0.
            seed: What this sample's randomness is drawn from, 0 or more. It draws the same with planes and without.
            stage: Nothing here; see :class:`segbench.augmentation.Curriculum`.

        Raises:
            ConfigError: If planes belong to an image of more than 2**24 pixels.
        """
        if self._compose is None:
            return image, mask, dict(planes)
        # One stream for all transforms. Compose.set_random_seed would give each the same one, and with it the
        # same draws: two flips of probability 1/2 would then always happen together.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))  # noqa: S311 - no secret
        source = {_SOURCE: _places(mask.shape)} if planes else {}
        moved = self._compose(image=image, mask=mask, **source)
        taken = {name: _taken(plane, moved[_SOURCE]) for name, plane in planes.items()}
        # OpenCV drops the last axis of grey images.
        return moved["image"].reshape(image.shape), moved["mask"], taken


def _places(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return float32 (H,W): -1 minus the place of each pixel in the flat image.

    Below 0, so that a transform's fill, which is 0 or more, is known to be from outside. float32, because OpenCV 5
    takes float32 for the neighbour that it takes for uint8, and another for int32 and float64.
    """
    pixels = int(np.prod(shape))
    if pixels > _MOST_PIXELS:
        raise ConfigError(
            f"augmentation: pixels of an image of {shape[0]}x{shape[1]} cannot be followed, {_MOST_PIXELS} are the "
            "most; set data.size or data.tiles"
        )
    return -1 - np.arange(pixels, dtype=np.float32).reshape(shape)


def _taken(plane: NDArray[Any], source: NDArray[np.float32]) -> NDArray[Any]:
    """Return the plane (H,W) at the places that came through the transforms, 0 where they are from outside."""
    inside = source < 0
    place = np.where(inside, -1 - source, 0).astype(np.intp)
    return np.where(inside, plane.ravel()[place], plane.dtype.type(0))
