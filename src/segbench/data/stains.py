"""Stain unmixing of histology images: haematoxylin and eosin as the two channels of an image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2hed

from segbench.errors import DataError
from segbench.scores.arithmetic import Floats

# Percentiles of the training images' pixels that become 0 and 255.
PERCENTILES = (0.5, 99.5)
# Pixels per image, evenly spaced: enough for a percentile, and little memory for all images together.
_MOST_PIXELS = 65_536


def haematoxylin_eosin(pixels: NDArray[np.uint8]) -> Floats:
    """Unmix stains after A. C. Ruifrok and D. A. Johnston, Anal. Quant. Cytol. Histol. 23 (2001) 291-299.

    Args:
        pixels: RGB, uint8 (...,3).

    Returns:
        Concentration of haematoxylin and of eosin, (...,2), 0 or more, in the units of ``skimage.color.rgb2hed``.
    """
    # With an extra first axis: skimage takes whole images.
    return np.asarray(rgb2hed(pixels[None]), np.float64)[0, ..., :2]


def measure_stains(images: Iterable[NDArray[np.uint8]]) -> Floats:
    """Return the values that become 0 and 255, (2,2): rows are haematoxylin and eosin, columns low and high.

    Args:
        images: RGB training images, uint8 (H,W,3); at most 65,536 pixels of each are used.

    Raises:
        DataError: If there are none.
    """
    parts = []
    for image in images:
        colours = image.reshape(-1, 3)
        parts.append(haematoxylin_eosin(colours[:: -(-len(colours) // _MOST_PIXELS)]))
    if not parts:
        raise DataError("data.stain=hed: no training image can be read to measure the stains")
    low, high = np.percentile(np.concatenate(parts), PERCENTILES, axis=0)
    # The range of a stain that does not occur would be 0.
    return np.stack([low, np.maximum(high, low + 1e-9)], axis=1)


def stain_channels(pixels: NDArray[np.uint8], ranges: Any) -> NDArray[np.uint8]:
    """Return an RGB image as its two stains.

    Args:
        pixels: RGB, uint8 (H,W,3).
        ranges: From :func:`measure_stains`; values outside are clipped.

    Returns:
        uint8 (H,W,2): haematoxylin and eosin, 0 to 255.
    """
    low, high = np.asarray(ranges, np.float64).T
    scaled = (haematoxylin_eosin(pixels) - low) / (high - low)
    return (255 * scaled.clip(0, 1)).round().astype(np.uint8)
