"""Maps a slice on its own grid to an image of fixed spacing and size, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_Label = TypeVar("_Label", np.uint8, np.uint16, np.int32)


@dataclass(frozen=True)
class Plane:
    """Resampling of a slice, then cropping or padding around the centre.

    Attributes:
        source: Height and width of the slice in pixels.
        resampled: Height and width after resampling.
        size: Height and width of the image.
    """

    source: tuple[int, int]
    resampled: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(
        cls,
        source: tuple[int, int],
        spacing: tuple[float, float],
        target: float | None,
        size: Sequence[int] | None,
    ) -> Plane:
        """Return the plane of a slice.

        Args:
            source: Height and width of the slice in pixels.
            spacing: Height and width of a pixel in mm.
            target: Spacing of the image in mm; None keeps the slice's.
            size: Height and width of the image; None for those after resampling.
        """
        sides = [
            length if target is None else max(1, round(length * step / target))
            for length, step in zip(source, spacing, strict=True)
        ]
        resampled = (sides[0], sides[1])
        return cls(source, resampled, resampled if size is None else (size[0], size[1]))

    @classmethod
    def padded(cls, source: tuple[int, int], size: tuple[int, int]) -> Plane:
        """Return the plane of an image that is shrunk to fit into ``size``, keeping its proportions, and padded."""
        scale = min(1.0, *(side / length for side, length in zip(size, source, strict=True)))
        height, width = (max(1, round(length * scale)) for length in source)
        return cls(source, (height, width), size)

    def image(self, pixels: NDArray[Any], outside: float = 0.0) -> NDArray[Any]:
        """Return the image (h,w,C) of a slice's intensities (H,W,C); padding has the value ``outside``."""
        return _fit(resample(pixels, self.resampled), self.size, outside)

    def mask(self, labels: NDArray[_Label], outside: int) -> NDArray[_Label]:
        """Return the mask (h,w) of a slice's labels (H,W); padding has the label ``outside``."""
        return _fit(resample_labels(labels, self.resampled), self.size, outside)

    def restore(self, probabilities: NDArray[np.float32], outside: float = 1.0) -> NDArray[np.float32]:
        """Return class probabilities (K,h,w) of the image on the slice's own grid, (K,H,W).

        Args:
            probabilities: Of the image, (K,h,w).
            outside: Probability of the first class outside the image; the others have 0.
        """
        values = [outside, *[0.0] * (len(probabilities) - 1)]
        fitted = [_fit(channel, self.resampled, value) for channel, value in zip(probabilities, values, strict=True)]
        return resample(np.stack(fitted, axis=2), self.source).transpose(2, 0, 1)


class BilinearPlane(Plane):
    """A plane that resizes images with Pillow's bilinear filter, which widens to avoid aliasing when shrinking."""

    def image(self, pixels: NDArray[Any], outside: float = 0.0) -> NDArray[Any]:
        """Return the image uint8 (h,w,3) of a frame uint8 (H,W,3)."""
        # Copies: Pillow's arrays are read-only, which torch warns about.
        if pixels.shape[:2] == self.size:
            return pixels.copy()
        height, width = self.size
        return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def resample(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize intensities (H,W,C) to a height and width: by area averaging to shrink, else bilinearly.

    A plain linear filter skips pixels when shrinking, and aliases. The type is kept.
    """
    if pixels.shape[:2] == size:
        return pixels
    shrinks = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    # OpenCV averages at most 4 channels at a time.
    parts = [np.ascontiguousarray(pixels[:, :, start : start + 4]) for start in range(0, pixels.shape[2], 4)]
    resized = [np.asarray(cv2.resize(part, (size[1], size[0]), interpolation=method)) for part in parts]
    return np.concatenate([part.reshape(*size, -1) for part in resized], axis=2)


def resample_labels(mask: NDArray[_Label], size: tuple[int, int]) -> NDArray[_Label]:
    """Resize labels (H,W), uint8, uint16 or int32, by nearest neighbour. The type is kept."""
    if mask.shape == size:
        return mask
    method = cv2.INTER_NEAREST_EXACT
    resized = cv2.resize(np.ascontiguousarray(mask), (size[1], size[0]), interpolation=method)
    return np.asarray(resized, mask.dtype)


def _fit(pixels: NDArray[Any], size: tuple[int, int], outside: float) -> NDArray[Any]:
    """Crop or pad height and width around the centre; its own inverse except for what a crop loses."""
    result = np.full((*size, *pixels.shape[2:]), outside, dtype=pixels.dtype)
    into, out_of = [], []
    for before, after in zip(pixels.shape[:2], size, strict=True):
        # With an odd difference, cropping and padding treat the same end, so that they are inverse.
        start = abs(after - before) // 2
        into.append(slice(start, start + before) if after >= before else slice(None))
        out_of.append(slice(start, start + after) if after < before else slice(None))
    result[tuple(into)] = pixels[tuple(out_of)]
    return result
