"""Augmentation: copies of training images, and changes whose randomness is the sample's seed and nothing else."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

# Set before the import: it would otherwise ask the network for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import numpy as np
from numpy.typing import NDArray

from segbench.augmentation.copies import Copy
from segbench.errors import ConfigError


class Augmentation:
    """Copies of the training images, and albumentations transforms applied to image and mask together.

    Copies are samples of their own: with two copies the training set is 3 times as large, and so is an epoch. They are
    made of training images only, hence after the split, and every sample, copy or not, passes the transforms.

    An unseeded ``Compose`` draws the same numbers in every worker and in every epoch (albumentations 2.0.8), and
    global seeds do not reach it. Here it is seeded anew for every sample.

    Args:
        transforms: Transforms of albumentations; they must keep the size. None leaves images as they are.
        copies: What is added to the training set for each of its images; none by default.

    Raises:
        ConfigError: If two copies have the same name.
    """

    def __init__(self, transforms: Sequence[Any] = (), copies: Sequence[Copy] = ()) -> None:
        names = [copy.name for copy in copies]
        if len(set(names)) < len(names):
            raise ConfigError(f"augmentation.copies: {', '.join(names)}: two are the same; name each once")
        self.copies = tuple(copies)
        self.transforms = list(transforms)
        self._compose = albumentations.Compose(self.transforms) if self.transforms else None

    def __call__(
        self, image: NDArray[Any], mask: NDArray[np.uint8], seed: int
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the transformed image and mask.

        Args:
            image: (H,W,C), uint8 or float32.
            mask: uint8 (H,W); moved with nearest neighbour, 255 where nothing is known.
            seed: What this sample's randomness is drawn from, 0 or more.
        """
        if self._compose is None:
            return image, mask
        # One stream for all transforms. Compose.set_random_seed would give each the same one, and with it the
        # same draws: two flips of probability 1/2 would then always happen together.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))  # noqa: S311 - no secret
        moved = self._compose(image=image, mask=mask)
        # OpenCV drops the last axis of grey images.
        return moved["image"].reshape(image.shape), moved["mask"]
