"""The base of data sets of microscopy: grey frames with cells in them, of any bit depth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segbench.data.intensity import check_percentiles, stretched
from segbench.data.objects import ObjectData
from segbench.data.reading import read_grey


class FrameData(ObjectData):
    """Grey frames whose objects are cells.

    Detectors have their own offset and gain, so every frame is scaled for itself, between two percentiles of its own
    intensities, from the file's full depth. It is stored with 16 bits: 0 and 65535 are the two percentiles, what lies
    outside is clipped.

    Args:
        percentiles: Of a frame's intensities, of its file's own size: what becomes 0 and the largest value.
        **options: See :class:`SegmentationData`; ``size`` resizes frames by area means and labels by nearest neighbour.

    Attributes:
        depths: Bits a pixel that image files may have.
    """

    in_channels = 1
    scale = 65535.0
    object_classes = ("cell",)
    depths: ClassVar[tuple[int, ...]]

    def __init__(self, *, percentiles: Sequence[float] = (1.0, 99.8), **options: Any) -> None:
        super().__init__(**options)
        self.percentiles = check_percentiles(percentiles)

    def settings(self) -> dict[str, Any]:
        """Return the settings that shape the stored arrays."""
        return super().settings() | {"percentiles": self.percentiles}

    def read_picture(self, path: Path) -> NDArray[np.uint16]:
        """Return a frame between its percentiles, uint16 (H,W,1), of the file's own size.

        Raises:
            DataError: If the file is bad, of another depth, or of constant intensity.
        """
        share = stretched(read_grey(path, self.depths), self.percentiles, path)
        return np.round(share * self.scale).astype(np.uint16)[..., None]
