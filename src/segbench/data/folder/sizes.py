"""The size that one's own images are stored and learned at, and how each comes to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from segbench.data.plane import Plane

# Longer sides are halved until they are not longer: what a network of a few million weights learns on in hours.
LONGEST = 768
# Factor by which height/width of images may differ and still be stretched to one size.
_ALIKE = 1.1
_STEP = 16
Size = tuple[int, int]


@dataclass(frozen=True)
class Fit:
    """How an image comes to the common size.

    Attributes:
        size: Height and width; None for images of one size, which keep it.
        how: ``stretch`` resizes to it; ``pad`` shrinks images that are larger, keeping their proportions, and pads
            around them with pixels that count nowhere.
        spacing: Size of a pixel in mm that slices of volumes are resampled to, then cropped or padded around their
            centre; None for other images.
    """

    size: Size | None = None
    how: str = "stretch"
    spacing: float | None = None

    def plane(self, source: Size, spacing: tuple[float, float] | None = None) -> Plane:
        """Return the plane of an image.

        Args:
            source: Its height and width.
            spacing: Height and width of its pixels in mm, if known.
        """
        if self.spacing is not None:
            return Plane.of(source, spacing, self.spacing, self.size) if spacing else Plane(source, source, source)
        size = self.size or source
        return Plane(source, size, size) if self.how == "stretch" else Plane.padded(source, size)


def proposed_fit(sizes: Sequence[Size], how: str, crop: Size | None) -> tuple[Fit, str]:
    """Return a common size for images of these sizes, and why.

    Args:
        sizes: Height and width of each image.
        how: ``stretch``, ``pad``, or ``auto`` for stretch if their proportions are alike.
        crop: Height and width of the random crops that training sees; None for whole images.
    """
    different = sorted(set(sizes))
    smallest, largest = different[0], different[-1]
    if crop is not None:
        # Crops are cut at the images' own scale.
        size = (max(crop[0], *(h for h, _ in sizes)), max(crop[1], *(w for _, w in sizes)))
        keep = len(different) == 1 and size == smallest
        return (
            (Fit(), "")
            if keep
            else (Fit(size, "pad"), f"{shown_size(size)}, padded, so that crops have their own scale")
        )
    if len(different) == 1:
        size = _halved(smallest)
        if size == smallest:
            return Fit(), f"{shown_size(size)}, as they are"
        return Fit(
            size
        ), f"{shown_size(size)}, {_part(smallest, size)} of their {shown_size(smallest)}; data.size=null keeps it"
    size, alike = _middle(sizes)
    how = ("stretch" if alike else "pad") if how == "auto" else how
    verb = "resized" if how == "stretch" else "shrunk and padded"
    span = f"{len(different)} sizes from {shown_size(smallest)} to {shown_size(largest)}"
    why = f"{span}, {verb} to {shown_size(size)} (data.size)"
    return Fit(size, how), why


def proposed_spacing(
    sizes: Sequence[Size], spacings: Sequence[tuple[float, float]], spacing: float | None
) -> tuple[Fit, str]:
    """Return a common pixel size for slices of volumes, and a size that holds all of them.

    Args:
        sizes: Height and width of each volume's slices.
        spacings: Height and width of their pixels in mm.
        spacing: The pixel size, if it is given.
    """
    target = spacing or round(median(step for both in spacings for step in both), 2)
    sides = [Plane.of(size, step, target, None).size for size, step in zip(sizes, spacings, strict=True)]
    size = (_up(max(height for height, _ in sides)), _up(max(width for _, width in sides)))
    return Fit(
        size, "pad", target
    ), f"slices of {target:g} mm a pixel, padded to {shown_size(size)} (data.spacing, data.size)"


def cropped(fit: Fit, sizes: Sequence[Size], spacings: Sequence[tuple[float, float, float]]) -> str:
    """Return the end of a line that says what of the largest slice is left; nothing if slices are not cropped.

    Args:
        fit: Of slices of volumes.
        sizes: Height and width of each volume's slices.
        spacings: Size of their voxels in mm along (Z,H,W).
    """
    if fit.size is None or fit.spacing is None:
        return ""
    planes = [fit.plane(size, (steps[1], steps[2])) for size, steps in zip(sizes, spacings, strict=True)]
    lost = [p.resampled for p in planes if p.resampled[0] > fit.size[0] or p.resampled[1] > fit.size[1]]
    if not lost:
        return f", padded to {shown_size(fit.size)}"
    largest = max(lost, key=lambda size: size[0] * size[1])
    kept = (min(fit.size[0], largest[0]), min(fit.size[1], largest[1]))
    left, whole = (shown_size((round(h * fit.spacing), round(w * fit.spacing))) for h, w in (kept, largest))
    return f", cropped to {shown_size(fit.size)} pixels around the centre ({left} mm of {whole} mm)"


def _middle(sizes: Sequence[Size]) -> tuple[Size, bool]:
    """Return the median size, halved if it is large, and whether all have nearly its proportions."""
    ratios = [height / width for height, width in sizes]
    alike = max(ratios) / min(ratios) <= _ALIKE
    size = (median(height for height, _ in sizes), median(width for _, width in sizes))
    if min(ratios) < 1 < max(ratios) and not alike:
        longer = median(max(size) for size in sizes)
        size = (longer, longer)
    halves = _halved((round(size[0]), round(size[1])))
    return (_near(halves[0]), _near(halves[1])), alike


def _halved(size: Size) -> Size:
    times = max(0, math.ceil(math.log2(max(size) / LONGEST)))
    return round(size[0] / 2**times), round(size[1] / 2**times)


def _part(whole: Size, size: Size) -> str:
    factor = round(max(whole) / max(size))
    return {2: "half", 4: "a quarter", 8: "an eighth"}.get(factor, f"1/{factor}")


def _near(length: int) -> int:
    return max(_STEP, round(length / _STEP) * _STEP)


def _up(length: int) -> int:
    return -(-length // _STEP) * _STEP


def shown_size(size: Size) -> str:
    """Return a height and width for a message, as pictures are described: width x height."""
    return f"{size[1]}x{size[0]}"
