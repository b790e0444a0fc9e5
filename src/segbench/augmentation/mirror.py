"""Mirror tiles: an image made of one of its quarters and that quarter's reflections."""

from __future__ import annotations

from typing import Any

import albumentations
import numpy as np
from albumentations.core.type_definitions import Targets
from numpy.typing import NDArray

from segbench.augmentation.checks import check_probability


class MirrorTiles(albumentations.DualTransform):
    """Keeps one of the image's four quarters and fills the others with its reflections, vertical and horizontal.

    The quarter, drawn for every sample, stays where it is. With an odd number of rows or columns the middle one belongs
    to both halves. Nothing is interpolated; image, mask and other maps are treated alike. Real images are never that
    symmetrical, so a network should not see many of these.

    Source: the report on segmentation of H1299 cells with a compressed U-Net ("Mirroring Augmentation"), which used
    "just a small amount of this kind of augmented data" without saying how much.

    Args:
        p: Probability of applying the transform to a sample.

    Raises:
        ConfigError: If the probability is outside [0,1].
    """

    _targets = (Targets.IMAGE, Targets.MASK)

    def __init__(self, p: float = 0.1) -> None:
        check_probability("MirrorTiles", p)
        super().__init__(p=p)

    def get_params(self) -> dict[str, Any]:
        """Draw whether the quarter is in the lower half and whether it is in the right half."""
        return {"lower": self.py_random.random() < 0.5, "right": self.py_random.random() < 0.5}

    def apply(self, img: NDArray[Any], *, lower: bool, right: bool, **params: Any) -> NDArray[Any]:
        """Return the image (H,W) or (H,W,C) made of one quarter."""
        height, width = img.shape[:2]
        return img[np.ix_(_half(height, lower), _half(width, right))]

    def apply_to_mask(self, mask: NDArray[Any], *args: Any, **params: Any) -> NDArray[Any]:
        """Return the mask (H,W) made of one quarter."""
        return self.apply(mask, **params)


def _half(size: int, last: bool) -> NDArray[np.intp]:
    """Return the source index of each row or column, (size,): 0 1 2 1 0, or 4 3 2 3 4 for the last half."""
    forth = np.arange(size)
    return np.maximum(forth, forth[::-1]) if last else np.minimum(forth, forth[::-1])
