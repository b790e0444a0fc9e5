"""Mixes a training image with a part of another one."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from segbench.augmentation.checks import check_probability
from segbench.errors import ConfigError

Part = tuple[slice, slice]


class Mix(Protocol):
    """Says which part of an image is another image's; :class:`segbench.data.dataset.ImageDataset` chooses that one."""

    def part(self, size: tuple[int, int], chance: np.random.Generator) -> Part | None:
        """Return the rows and columns that are another image's, or None for none.

        Args:
            size: Height and width of both images.
            chance: Where all randomness comes from; of each sample another.
        """


class CutMix:
    """A rectangle of another image, with its labels.

    It has the image's proportions and, before it is cut off at the border, the share 1 - l of its area, l of
    Beta(alpha, alpha), around a centre that lies anywhere: Yun et al., "CutMix: Regularization Strategy to Train Strong
    Classifiers with Localizable Features", ICCV 2019 (arXiv 1905.04899), section 3.2; for segmentation French et al.,
    BMVC 2020 (arXiv 1906.01916). Every pixel keeps the label, and the weight, of the image that it comes from, so
    labels stay classes and every loss is defined. (MixUp, which blends images, makes mixtures of labels.)

    Args:
        alpha: Positive; 1 makes all areas alike likely.
        p: Probability that an image is mixed.

    Raises:
        ConfigError: If a number is out of range.
    """

    def __init__(self, alpha: float = 1.0, p: float = 0.5) -> None:
        check_probability("mix", p)
        if not 0 < alpha < math.inf:
            raise ConfigError(f"augmentation.mix.alpha={alpha}: must be positive and finite")
        self.alpha, self.p = alpha, p

    def part(self, size: tuple[int, int], chance: np.random.Generator) -> Part | None:
        """Return the rectangle, or None."""
        if chance.random() >= self.p:
            return None
        side = math.sqrt(1 - chance.beta(self.alpha, self.alpha))
        rows, columns = (_window(length, side, chance.random()) for length in size)
        return rows, columns


def _window(length: int, share: float, centre: float) -> slice:
    start, stop = ((centre + sign * share / 2) * length for sign in (-1, 1))
    return slice(max(round(start), 0), min(round(stop), length))
