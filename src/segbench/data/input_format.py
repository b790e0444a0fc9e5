"""What a network takes as input: from an image file to an array, as plain facts that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from segbench.data import nifti
from segbench.data.formats.volume_file import Volume
from segbench.data.intensity import Intensity, scale_by_percentiles
from segbench.data.pages import as_one_image, read_pages, with_channels
from segbench.data.plane import BilinearPlane, Plane
from segbench.data.reading import read_grey, read_image
from segbench.data.stains import stain_channels
from segbench.errors import DataError

Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Side = Annotated[int, Field(gt=0, le=65_536)]
Percent = Annotated[float, Field(ge=0, le=100)]
# Pixels of an image: 64 times those of a street scene.
_LARGEST = 1 << 27
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class InputFormat:
    """How files become inputs of a network, for training images and new ones alike.

    Attributes:
        name: Name of the data set, for messages.
        channels: Channels of the image.
        scale: Largest value of stored images (255 for 8 bits).
        reading: ``image``: 8-bit images; ``grey``: grey ones of ``depths`` bits, each scaled between its
            ``percentiles``; ``stains``: RGB unmixed into two stains within ``stain_ranges``; ``pages``: images of any
            depth, or stacks whose pages are the channels, by ``intensity``.
        depths: Bits per pixel that grey images may have.
        percentiles: Percentiles of intensities, of a grey image or of a volume, that become 0 and the largest value.
        intensity: How the intensities of ``pages`` are stored: kind, low and high of
            :class:`segbench.data.intensity.Intensity`.
        stain_ranges: The values of each stain that become 0 and 255.
        size: Height and width of the image; None for the file's.
        fit: ``resize``: resized to ``size`` (:func:`segbench.data.plane.resample`); ``bilinear``: by Pillow's bilinear
            filter; ``pad``: shrunk to fit into it, keeping proportions, and padded; ``crop``: volumes are resampled to
            ``spacing``, then cropped or padded, and image files, which tell no pixel size, stay as they are.
        spacing: In-plane spacing in mm that volumes are resampled to; None for their own.
    """

    name: Annotated[str, Field(min_length=1, max_length=255)]
    channels: Annotated[int, Field(gt=0, le=64)]
    scale: Positive = 255.0
    reading: Literal["image", "grey", "stains", "pages"] = "image"
    depths: tuple[Literal[8, 16], ...] = ()
    percentiles: tuple[Percent, Percent] = (1.0, 99.0)
    intensity: tuple[Literal["stored", "range", "percentiles"], Finite, Finite] | None = None
    stain_ranges: tuple[tuple[Finite, Finite], tuple[Finite, Finite]] | None = None
    size: tuple[Side, Side] | None = None
    fit: Literal["resize", "bilinear", "pad", "crop"] = "resize"
    spacing: Positive | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.size is not None and self.size[0] * self.size[1] > _LARGEST:
            raise ValueError(f"size: more than {_LARGEST:,} pixels")
        if not self.percentiles[0] < self.percentiles[1]:
            raise ValueError("percentiles must ascend")
        if (self.reading == "grey") != bool(self.depths) or (self.reading == "grey" and self.channels != 1):
            raise ValueError("grey images have one channel and depths, others no depths")
        if (self.reading == "pages") != (self.intensity is not None):
            raise ValueError("pages need intensity, and nothing else has it")
        if self.intensity is not None and not self.intensity[1] < self.intensity[2]:
            raise ValueError("intensity must ascend")
        if (self.reading == "stains") != (self.stain_ranges is not None):
            raise ValueError("stains need stain_ranges, and nothing else has them")
        if self.stain_ranges and (self.channels != 2 or any(low >= high for low, high in self.stain_ranges)):
            raise ValueError("stains are two channels with ascending ranges")
        if self.spacing is not None and self.fit != "crop":
            raise ValueError("only crops have a spacing")
        return self

    def read(self, path: Path) -> NDArray[Any]:
        """Return an image file's pixels (H,W,C), as the data set stores them, at the file's own size.

        Raises:
            DataError: If the file is unusable.
        """
        return _READERS[self.reading](self, path)

    def volume(self, volume: Volume) -> NDArray[np.float32]:
        """Return a volume's intensities (X,Y,Z) in [0,1]: scaled by the data set's range, else by ``percentiles``.

        Raises:
            DataError: If it is unusable.
        """
        if self.intensity is None or self.intensity[0] != "range":
            return nifti.normalised(volume, self.percentiles)
        _, low, high = self.intensity
        return np.asarray(np.clip((nifti.finite(volume) - low) / (high - low), 0, 1), np.float32)

    def plane(self, source: tuple[int, int], spacing: tuple[float, float] | None) -> Plane:
        """Return how a picture becomes an image like the training images, and how predictions are mapped back.

        Args:
            source: Height and width in pixels.
            spacing: Height and width of a pixel in mm, or None if the file has no spacing.
        """
        if self.fit == "crop":
            return Plane(source, source, source) if spacing is None else self._resampled(source, spacing)
        size = self.size or source
        if self.fit == "pad":
            return Plane.padded(source, size)
        return (BilinearPlane if self.fit == "bilinear" else Plane)(source, size, size)

    def _resampled(self, source: tuple[int, int], spacing: tuple[float, float]) -> Plane:
        plane = Plane.of(source, spacing, self.spacing, self.size)
        if plane.resampled[0] * plane.resampled[1] > _LARGEST:
            raise DataError(f"a slice of {source} pixels is more than {_LARGEST:,} at a spacing of {self.spacing} mm")
        return plane


def _read_image(inputs: InputFormat, path: Path) -> NDArray[Any]:
    return read_image(path, inputs.channels)


def _read_grey(inputs: InputFormat, path: Path) -> NDArray[Any]:
    scaled = scale_by_percentiles(read_grey(path, inputs.depths), inputs.percentiles, path)
    return np.round(scaled * inputs.scale).astype(np.uint16)[..., None]


def _read_pages(inputs: InputFormat, path: Path) -> NDArray[Any]:
    assert inputs.intensity is not None
    return Intensity(*inputs.intensity).apply(with_channels(as_one_image(read_pages(path)), inputs.channels), path)[0]


def _read_stains(inputs: InputFormat, path: Path) -> NDArray[Any]:
    return stain_channels(read_image(path, 3), inputs.stain_ranges)


_READERS: dict[str, Callable[[InputFormat, Path], NDArray[Any]]] = {
    "image": _read_image, "grey": _read_grey, "stains": _read_stains, "pages": _read_pages
}  # fmt: skip
