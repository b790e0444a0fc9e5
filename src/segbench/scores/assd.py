"""ASSD, the average symmetric surface distance: how far apart two surfaces are on average.

T. Heimann et al., Comparison and evaluation of methods for liver segmentation from CT datasets, IEEE TMI 28 (8), 2009,
section III-B. With the distances d of the border pixels of truth and of prediction to the nearest border pixel of the
other (:mod:`segbench.scores.surface`)

    ASSD = (sum d of the truth + sum d of the prediction) / (border pixels of the truth + of the prediction).

(The mean of the two directed means, which some tools call by the same name, weighs a side with fewer pixels more.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from segbench.scores.columns import ColumnScore, Ratio
from segbench.scores.surface import Empty, SurfaceDistances, SurfaceScore


class ASSD(SurfaceScore):
    """ASSD in the data's unit of length, 0 at best, lower is better.

    Pooled, it is over the border pixels of all images.

    Args:
        empty: What a class that only truth or only prediction has is worth: ``penalty``, the diagonal of the image or
            volume for each border pixel, or ``skip``, left out.
    """

    def __init__(self, empty: Empty = "penalty") -> None:
        super().__init__("assd", empty)

    def declare(self, unit: str) -> Sequence[ColumnScore]:
        """Return the score: the sum of all distances by the number of border pixels."""
        return [
            ColumnScore(
                self.name,
                "ASSD",
                (Ratio({f"{self.name}_sum": 1}, {f"{self.name}_points": 1}),),
                lower_is_better=True,
                unit=unit,
                empty=self.rule("the diagonal"),
                left_out=self.left_out,
                most=f"{self.name}_most",
            )
        ]

    def measure(self, distances: SurfaceDistances, diagonal: float) -> Mapping[str, float]:
        """Return the sum of all distances and the number of border pixels."""
        total = sum(float(np.minimum(side, diagonal).sum()) for side in (distances.truth, distances.predicted))
        return {f"{self.name}_sum": total, f"{self.name}_points": float(distances.points)}
