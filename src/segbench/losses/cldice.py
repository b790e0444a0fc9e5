"""The centreline Dice loss, of tubes: vessels, roads, cracks."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from segbench.losses.base import SegmentationLoss
from segbench.losses.dice import DiceLoss
from segbench.losses.regions import Regions, regions
from segbench.processes import mean


class CLDiceLoss(SegmentationLoss):
    """(1 - alpha) :class:`DiceLoss` + alpha (1 - soft clDice), which asks that what is connected stays so.

    With soft skeletons S of probabilities p and truth t and sums over the pixels of one image that are not ignored:

        precision = (sum(S_p t) + smooth) / (sum(S_p) + smooth)
        sensitivity = (sum(S_t p) + smooth) / (sum(S_t) + smooth)
        clDice = 2 precision sensitivity / (precision + sensitivity)

    per image and class, then averaged: Shit et al., "clDice - a Novel Topology-Preserving Loss Function for Tubular
    Structure Segmentation", CVPR 2021 (arXiv 2003.07311), algorithms 1 and 2, with additive smoothing. In [0, 1].
    Skeletons are of foreground classes, for K > 1 too. An ignored pixel, and one of weight 0, has no probability and no
    truth where skeletons are drawn. A class that is absent from an image has precision smooth / (sum(S_p) + smooth) and
    sensitivity 1; an image whose pixels are all ignored contributes 0.

    Args:
        iterations: Erosions that make a skeleton, at least the largest radius of a tube in pixels; 0 or more.
        alpha: Share of the clDice, in [0, 1].
        smooth: Added to numerators and denominators, in pixels; positive and finite.
        include_background: Whether class 0 counts in the Dice loss (K > 1 only).

    Raises:
        ValueError: If a number is out of range.
    """

    tasks = ("segmentation", "multilabel")

    def __init__(
        self, iterations: int = 3, alpha: float = 0.5, smooth: float = 1.0, include_background: bool = True
    ) -> None:
        super().__init__()
        if iterations < 0:
            raise ValueError(f"loss.iterations={iterations}: must be at least 0")
        if not 0 <= alpha <= 1:
            raise ValueError(f"loss.alpha={alpha}: must be from 0 to 1")
        self.dice = DiceLoss(smooth, include_background)
        self.iterations, self.alpha, self.smooth = iterations, alpha, smooth

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss; ``weight`` multiplies every pixel of all sums."""
        centre = mean(1 - self.cldice(regions(logits, target, weight, include_background=False)))
        return (1 - self.alpha) * self.dice.compute(logits, target, weight) + self.alpha * centre

    def cldice(self, found: Regions) -> Tensor:
        """Return the soft clDice of each image and class (B,C)."""
        counted = found.factor > 0
        probabilities, truth = found.probabilities.where(counted, 0.0), found.truth.where(counted, 0.0)
        predicted, true = (soft_skeleton(part, self.iterations) * found.factor for part in (probabilities, truth))
        precision = self._ratio(predicted, truth)
        sensitivity = self._ratio(true, probabilities)
        return 2 * precision * sensitivity / (precision + sensitivity)

    def _ratio(self, skeleton: Tensor, region: Tensor) -> Tensor:
        inside = (skeleton * region).sum(dim=(2, 3))
        return (inside + self.smooth) / (skeleton.sum(dim=(2, 3)) + self.smooth)


def soft_skeleton(region: Tensor, iterations: int) -> Tensor:
    """Return the soft skeleton of a region (B,C,H,W) in [0, 1]: what each opening takes away, erosion by erosion.

    Args:
        region: Probabilities (B,C,H,W).
        iterations: Erosions.
    """
    # In NHWC memory a GPU adds the gradients of windows that overlap in no fixed order.
    region = region.contiguous()
    skeleton = functional.relu(region - _opened(region))
    for _ in range(iterations):
        region = _eroded(region)
        lost = functional.relu(region - _opened(region))
        skeleton = skeleton + functional.relu(lost - skeleton * lost)
    return skeleton


def _opened(region: Tensor) -> Tensor:
    return functional.max_pool2d(_eroded(region), 3, stride=1, padding=1)


def _eroded(region: Tensor) -> Tensor:
    """Return the minimum over a pixel and its four neighbours."""
    upright = functional.max_pool2d(-region, (3, 1), stride=1, padding=(1, 0))
    level = functional.max_pool2d(-region, (1, 3), stride=1, padding=(0, 1))
    return -upright.maximum(level)
