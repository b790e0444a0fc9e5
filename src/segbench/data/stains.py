"""Stains of histology images unmixed: haematoxylin and eosin as the two channels of an image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2hed

from segbench.errors import DataError

# What becomes 0 and 255, in percent of the training images' pixels.
PERCENTILES = (0.5, 99.5)
# Of an image, spread evenly: enough for a percentile, and little to hold for all images together.
_MOST_PIXELS = 65_536

Floats = NDArray[np.float64]


def haematoxylin_eosin(pixels: NDArray[np.uint8]) -> Floats:
    """Unmix colours by A. C. Ruifrok and D. A. Johnston, Anal. Quant. Cytol. Histol. 23 (2001) 291-299.

    Args:
        pixels: RGB, uint8 (...,3).

    Returns:
        Concentration of haematoxylin and of eosin, (...,2), 0 or more, in the units of ``skimage.color.rgb2hed``.
    """
    # A first axis more: skimage takes whole images.
    return np.asarray(rgb2hed(pixels[None]), np.float64)[0, ..., :2]


def measure_stains(images: Iterable[NDArray[np.uint8]]) -> Floats:
    """Return what becomes 0 and 255 of each stain, (2,2): rows are haematoxylin and eosin, columns low and high.

    Args:
        images: RGB training images, uint8 (H,W,3); of each at most 65,536 pixels are looked at.

    Raises:
        DataError: If there is none.
    """
    parts = []
    for image in images:
        colours = image.reshape(-1, 3)
        parts.append(haematoxylin_eosin(colours[:: -(-len(colours) // _MOST_PIXELS)]))
    if not parts:
        raise DataError("data.stain=hed: no training image can be read to measure the stains on")
    low, high = np.percentile(np.concatenate(parts), PERCENTILES, axis=0)
    # A stain that does not occur at all has nothing to divide by.
    return np.stack([low, np.maximum(high, low + 1e-9)], axis=1)


def stain_channels(pixels: NDArray[np.uint8], ranges: Any) -> NDArray[np.uint8]:
    """Return an RGB image as its two stains.

    Args:
        pixels: RGB, uint8 (H,W,3).
        ranges: As :func:`measure_stains` returns them; values outside are cut off.

    Returns:
        uint8 (H,W,2): haematoxylin and eosin, 0 to 255.
    """
    low, high = np.asarray(ranges, np.float64).T
    scaled = (haematoxylin_eosin(pixels) - low) / (high - low)
    return (255 * scaled.clip(0, 1)).round().astype(np.uint8)
