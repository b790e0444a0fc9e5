"""Plans a U-Net for images of a size: nnU-Net's published rules, in two dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segbench.models.blocks import require_positive

# Of a stage's filters in two dimensions.
MOST_FILTERS = 512
# Residual blocks of each stage, top first; further stages have as many as the last.
BLOCKS = (1, 3, 4, 6)
# Feature maps get no smaller than this.
_SMALLEST = 4
# Axes whose pixels differ by less are treated alike.
_ALIKE = 2

Pair = tuple[int, int]


@dataclass(frozen=True)
class UNetPlan:
    """A U-Net's stages, top first; pairs are of height and width.

    Attributes:
        filters: Channels of each stage.
        strides: Of its first convolution; 1 in the first stage.
        kernels: Size of its convolutions.
        blocks: Residual blocks of its encoder.
    """

    filters: tuple[int, ...]
    strides: tuple[Pair, ...]
    kernels: tuple[Pair, ...]
    blocks: tuple[int, ...]

    @property
    def stride(self) -> int:
        """What height and width of an image must be divisible by."""
        # All are powers of two.
        return max(math.prod(axis) for axis in zip(*self.strides, strict=True))


def plan_unet(size: Sequence[int], spacing: Sequence[float] = (1.0, 1.0), width: int = 32) -> UNetPlan:
    """Plan a residual-encoder U-Net.

    Both axes are halved from stage to stage as long as 4 pixels remain. Where pixels are not square, the axis with the
    larger ones is not halved, and convolutions are 1 wide along it, until those of the other have grown to more than
    half their size; one axis is halved alone only if 6 pixels remain. Filters double up to 512; the lowest stage's
    convolutions are 3x3.

    Sources: Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation",
    Nature Methods 18, 2021, Methods and Supplementary Note 2; for the numbers of residual blocks Isensee et al.,
    "nnU-Net Revisited", MICCAI 2024 (arXiv 2404.09556), and the implementation that both name.

    Args:
        size: Height and width of the images, in pixels, at least 8 in one of them.
        spacing: Height and width of a pixel, in any unit; only their ratio counts.
        width: Filters of the first stage. 32 is the papers'.

    Raises:
        ValueError: If a number is out of range.
    """
    for name, pair in {"size": size, "spacing": spacing}.items():
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise ValueError(f"{name} must be [height, width], got {pair}")
    require_positive(**{"size[0]": size[0], "size[1]": size[1], "width": width})
    if not all(0 < side < math.inf for side in spacing):
        raise ValueError(f"spacing={list(spacing)} must be positive and finite")
    if width > MOST_FILTERS:
        raise ValueError(f"width must be at most {MOST_FILTERS}, got {width}")
    left, pixel = list(size), [float(side) for side in spacing]
    kernel, kernels, strides = [1, 1], list[Pair](), [(1, 1)]
    while halved := _halved_axes(left, pixel):
        # An axis keeps its kernel once it has it.
        kernel = [3 if side < _ALIKE * min(pixel) else before for side, before in zip(pixel, kernel, strict=True)]
        kernels.append((kernel[0], kernel[1]))
        strides.append((2 if 0 in halved else 1, 2 if 1 in halved else 1))
        for axis in halved:
            left[axis], pixel[axis] = -(-left[axis] // 2), 2 * pixel[axis]
    if not kernels:
        raise ValueError(f"size={list(size)}: too small to be halved once; it must be at least [8, 8]")
    stages = len(strides)
    return UNetPlan(
        filters=tuple(min(width * 2**stage, MOST_FILTERS) for stage in range(stages)),
        strides=tuple(strides),
        kernels=(*kernels, (3, 3)),
        blocks=tuple(BLOCKS[min(stage, len(BLOCKS) - 1)] for stage in range(stages)),
    )


def _halved_axes(left: Sequence[int], pixel: Sequence[float]) -> list[int]:
    """Return which axes the next stage halves; none if there is no next stage.

    Args:
        left: Height and width of the feature map.
        pixel: Height and width of what each of its values stands for.
    """
    large = [axis for axis in range(2) if left[axis] >= 2 * _SMALLEST]
    finest = min((pixel[axis] for axis in large), default=0)
    axes = [axis for axis in large if pixel[axis] < _ALIKE * finest]
    return [] if len(axes) == 1 and left[axes[0]] < 3 * _SMALLEST else axes
