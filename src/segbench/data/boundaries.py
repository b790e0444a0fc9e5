"""The class between cells, which parts those that touch, made from labels of cells."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_MOST = 65535


def with_boundary(cells: NDArray[np.uint16], width: int) -> NDArray[np.uint8]:
    """Return the classes 0 background, 1 cell and 2 boundary of labelled cells.

    A boundary pixel is one of the background at most ``width`` pixels from a cell, or one of a cell at most ``width``
    pixels from another cell (the larger of the distances along rows and columns). So there is a rim around every cell,
    outside of it, as in the set of H1299 cells, and cells lose pixels to it only where they touch or nearly do: their
    overlap with the labels stays what it was elsewhere. A boundary inside of each cell would take its whole edge; the
    separation border of the U-Net (Ronneberger et al., arXiv 1505.04597, section 3) is only what lies between cells,
    and of the background.

    What is left of two cells is more than ``width`` apart, so with ``width`` 1 or more no connected component of the
    class cell, touching at corners included, has pixels of two cells. A cell that is nowhere further than ``width``
    from another is lost to the boundary.

    Args:
        cells: Label of each pixel's cell (H,W), 0 for none.
        width: In pixels; 0 makes no boundary.

    Returns:
        uint8 (H,W).
    """
    mask = (cells > 0).astype(np.uint8)
    if width == 0:
        return mask
    window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    # Of the labels around a pixel the largest and, from the other end, the smallest. Outside the image is none.
    largest = np.asarray(cv2.dilate(cells, window))
    smallest = _MOST - np.asarray(cv2.dilate(np.where(cells > 0, _MOST - cells, 0).astype(np.uint16), window))
    near = np.where(cells > 0, (largest != cells) | (smallest != cells), largest > 0)
    mask[near] = 2
    return mask
