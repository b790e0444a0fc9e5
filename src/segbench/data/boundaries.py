"""The boundary class that separates touching cells, derived from cell labels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_MOST = 65535


def with_boundary(cells: NDArray[np.uint16], width: int) -> NDArray[np.uint8]:
    """Return the classes 0 background, 1 cell and 2 boundary for labelled cells.

    A boundary pixel is a background pixel at most ``width`` pixels from a cell, or a cell pixel at most ``width``
    pixels from another cell (Chebyshev distance: the larger of those along rows and columns). So every cell has a rim
    on its outside, as in the set of H1299 cells, and loses pixels to it only where it touches or nearly touches another
    cell; elsewhere its overlap with the labels is unchanged. A boundary inside each cell would take its whole edge; the
    separation border of the U-Net (Ronneberger et al., arXiv 1505.04597, section 3) covers only background between
    cells.

    What remains of two cells is more than ``width`` apart, so with ``width`` 1 or more no connected component of the
    class cell, touching corners included, has pixels of two cells. A cell that lies entirely within ``width`` of
    another is lost to the boundary.

    Args:
        cells: Cell label of each pixel (H,W), 0 for none.
        width: Width in pixels; 0 makes no boundary.

    Returns:
        uint8 (H,W).
    """
    mask = (cells > 0).astype(np.uint8)
    if width == 0:
        return mask
    window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    # The largest label around each pixel and, by inverting labels, the smallest. Outside the image there are none.
    largest = np.asarray(cv2.dilate(cells, window))
    smallest = _MOST - np.asarray(cv2.dilate(np.where(cells > 0, _MOST - cells, 0).astype(np.uint16), window))
    near = np.where(cells > 0, (largest != cells) | (smallest != cells), largest > 0)
    mask[near] = 2
    return mask
