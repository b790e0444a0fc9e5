"""Augmentation whose randomness is the sample's seed and nothing else."""

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


class Augmentation:
    """A sequence of albumentations transforms applied to image and mask together.

    An unseeded ``Compose`` draws the same numbers in every worker and in every epoch (albumentations 2.0.8), and
    global seeds do not reach it. Here it is seeded anew for every sample.

    Args:
        transforms: Transforms of albumentations; they must keep the size. None leaves images as they are.
    """

    def __init__(self, transforms: Sequence[Any] = ()) -> None:
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
