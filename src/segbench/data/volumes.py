"""Volumes of a data module of slices, so that they can be scored on their original grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.data.plane import Plane


@dataclass(frozen=True)
class VolumeSlices:
    """One volume of a split.

    Attributes:
        id: Its name.
        group: Its group (the patient), which must not be split.
        positions: Indices of its slices in the split's data set, in order.
        plane: How a slice became an image.
        spacing: Size of a voxel on the original grid along (Z,H,W), in the data's unit; along (H,W) for a single
            frame.
        truth: Reads the labels on the original grid, uint8 (Z,H,W).
    """

    id: str
    group: str
    positions: tuple[int, ...]
    plane: Plane
    spacing: tuple[float, ...]
    truth: Callable[[], NDArray[np.uint8]]
