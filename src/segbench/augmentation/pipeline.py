"""Augmentation: copies of training images, and transforms whose only randomness is the sample's seed."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.augmentation.copies import Copy
from segbench.augmentation.mixing import Mix
from segbench.errors import ConfigError

if TYPE_CHECKING:
    import albumentations

# An image (H,W,C), its mask uint8 (H,W), and further maps (H,W) of its pixels by name.
Augmented = tuple[NDArray[Any], NDArray[np.uint8], dict[str, NDArray[Any]]]
# The name under which the map of source pixels passes through the transforms.
_SOURCE = "source"
# float32 represents every integer up to here.
_MOST_PIXELS = 2**24


class Augmentation:
    """Copies of the training images, and albumentations transforms applied to image and mask together.

    Copies are samples of their own: two copies make the training set, and an epoch, 3 times as large. They are made of
    training images only, so after the split, and the transforms apply to every sample, copy or not.

    An unseeded ``Compose`` draws the same numbers in every worker and in every epoch (albumentations 2.0.8), and
    global seeds do not reach it. Here it is reseeded for every sample.

    Args:
        transforms: Albumentations transforms, in order; they must keep the image size. Empty for none. Named transforms
            (a mapping) can be changed from the command line: ``augmentation.transforms.mirror.p=0``.
        copies: The copies made of each training image; none by default.
        mix: Mixes each transformed image with another one, transformed too; None for not.

    Raises:
        ConfigError: If two copies have the same name.
    """

    def __init__(
        self,
        transforms: Sequence[Any] | Mapping[str, Any] = (),
        copies: Sequence[Copy] = (),
        mix: Mix | None = None,
    ) -> None:
        names = [copy.name for copy in copies]
        if len(set(names)) < len(names):
            raise ConfigError(f"augmentation.copies: {', '.join(names)}: two are the same; list each once")
        self.copies, self.mix = tuple(copies), mix
        self.transforms = list(transforms.values() if isinstance(transforms, Mapping) else transforms)
        self._compose: albumentations.Compose | None = None
        if self.transforms:
            import albumentations

            # The map of source pixels is transformed like the mask.
            self._compose = albumentations.Compose(self.transforms, additional_targets={_SOURCE: "mask"})

    @property
    def stage(self) -> int:
        """The stage that training is at, from 0; without a curriculum there is one."""
        return 0

    def callbacks(self) -> list[pl.Callback]:
        """Return the callbacks that training with this augmentation needs, new ones for each training."""
        return []

    def check(self, scores: Collection[str], data: str) -> None:
        """Check that validation gives the scores that the augmentation waits for; plain transforms wait for none.

        Args:
            scores: The validation scores; empty if there are no validation images.
            data: Name of the data set.

        Raises:
            ConfigError: If it does not; names the key.
        """

    def __call__(
        self, image: NDArray[Any], mask: NDArray[np.uint8], seed: int
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the transformed image and mask: :meth:`apply` without maps, in the first stage."""
        image, mask, _ = self.apply(image, mask, {}, seed)
        return image, mask

    def apply(
        self,
        image: NDArray[Any],
        mask: NDArray[np.uint8],
        maps: Mapping[str, NDArray[Any]],
        seed: int,
        stage: int = 0,
    ) -> Augmented:
        """Return the transformed image, mask and maps.

        Args:
            image: (H,W,C), uint8, uint16 or float32.
            mask: uint8 (H,W); transformed with nearest neighbour, 255 for pixels from outside the image.
            maps: Further maps of the pixels by name, (H,W) of any type, for example weights or instances. Every value
                goes exactly where its mask pixel goes; pixels from outside the image are 0.
            seed: Seed of this sample's randomness, 0 or more. Draws are the same with and without maps.
            stage: Unused here; see :class:`segbench.augmentation.Curriculum`.

        Raises:
            ConfigError: If there are maps and the image has more than 2**24 pixels.
        """
        if self._compose is None:
            return image, mask, dict(maps)
        # One stream for all transforms. Compose.set_random_seed would give each the same one, and with it the
        # same draws: two flips of probability 1/2 would then always happen together.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))  # noqa: S311 - no secret
        source = {_SOURCE: _source_map(mask.shape)} if maps else {}
        result = self._compose(image=image, mask=mask, **source)
        gathered = {name: _gather(values, result[_SOURCE]) for name, values in maps.items()}
        # OpenCV drops the last axis of grey images.
        return result["image"].reshape(image.shape), result["mask"], gathered


def _source_map(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return float32 (H,W): -1 minus the index of each pixel in the flattened image.

    Negative, so that a transform's fill value, which is 0 or more, marks a pixel from outside. float32, because
    OpenCV 5 picks the same neighbour for float32 as for uint8, and another for int32 and float64.
    """
    pixels = int(np.prod(shape))
    if pixels > _MOST_PIXELS:
        raise ConfigError(
            f"augmentation: an image of {shape[0]}x{shape[1]} has too many pixels to track, {_MOST_PIXELS} are the "
            "most; set data.size or data.tiles"
        )
    return -1 - np.arange(pixels, dtype=np.float32).reshape(shape)


def _gather(values: NDArray[Any], source: NDArray[np.float32]) -> NDArray[Any]:
    """Return a map (H,W) at the transformed source pixels, 0 where they are from outside."""
    inside = source < 0
    index = np.where(inside, -1 - source, 0).astype(np.intp)
    return np.where(inside, values.ravel()[index], values.dtype.type(0))
