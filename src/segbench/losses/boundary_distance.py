"""The boundary loss, a distance between contours."""

from __future__ import annotations

from torch import Tensor

from segbench.labels import IGNORE_INDEX
from segbench.losses.base import SegmentationLoss, weighted_mean
from segbench.losses.distance_transform import signed_distance
from segbench.losses.regions import regions


class BoundaryLoss(SegmentationLoss):
    """Probabilities times signed distances to the true boundary, averaged over classes and the pixels not ignored.

        loss = mean(phi p)

    Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019 (arXiv 1812.07032), equation 5. phi
    is the distance in pixels to the class's boundary in the image, positive outside and negative inside
    (:func:`segbench.losses.distance_transform.signed_distance`), so the loss is in pixels, and below 0 where a
    prediction is good. A class that an image lacks, or that fills it, has phi = 0 there: nothing keeps it away. So, and
    because the empty prediction is near a minimum, the paper adds a loss of regions: ``loss=dice_boundary``.

    An ignored pixel is neither inside nor outside: distances are to the nearest pixel that is known. For overlapping
    classes p is each class's sigmoid. The distances are computed with each batch, on its device.

    Args:
        include_background: Whether class 0 counts (K > 1 only); not in the paper.
    """

    tasks = ("segmentation", "multilabel")

    def __init__(self, include_background: bool = False) -> None:
        super().__init__()
        self.include_background = include_background

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the loss; ``weight`` multiplies the values of pixels."""
        found = regions(logits, target, None, self.include_background)
        inside = found.truth > 0
        outside = ~inside & (target != IGNORE_INDEX).unsqueeze(1)
        values = (signed_distance(inside, outside) * found.probabilities).mean(dim=1)
        return weighted_mean(values, target, weight)
