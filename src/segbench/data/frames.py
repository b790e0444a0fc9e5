"""The base of microscopy data sets: grey frames of cells, of any bit depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from segbench.data.input_format import InputFormat
from segbench.data.intensity import check_percentiles
from segbench.data.objects import ObjectData


class FrameData(ObjectData):
    """Grey frames whose objects are cells.

    Detectors differ in offset and gain, so every frame is scaled on its own, between two percentiles of its
    intensities, from the file's full bit depth. It is stored with 16 bits: 0 and 65535 are the two percentiles, and
    values outside are clipped.

    Args:
        percentiles: Percentiles of a frame's intensities, at its file's own size, that become 0 and the largest value.
        **options: See :class:`SegmentationData`; ``size`` resizes frames by area averaging and labels by nearest
            neighbour.

    Attributes:
        depths: Bits per pixel that image files may have.
    """

    in_channels = 1
    scale = 65535.0
    object_classes = ("cell",)
    depths: ClassVar[tuple[Literal[8, 16], ...]]

    def __init__(self, *, percentiles: Sequence[float] = (1.0, 99.8), **options: Any) -> None:
        super().__init__(**options)
        self.percentiles = check_percentiles(percentiles)

    def settings(self) -> dict[str, Any]:
        """Return the settings that the stored arrays depend on."""
        return super().settings() | {"percentiles": self.percentiles}

    def input_format(self) -> InputFormat:
        """Return how a file becomes a frame: scaled between its percentiles, uint16 (H,W,1), at the file's own size."""
        return replace(super().input_format(), reading="grey", depths=self.depths)
