"""HD95, the 95th percentile of the Hausdorff distance: how far apart two surfaces are where they are far apart.

D. P. Huttenlocher, G. A. Klanderman, W. J. Rucklidge, Comparing images using the Hausdorff distance, IEEE TPAMI 15 (9),
1993, section VI (a ranked distance in place of the largest one, against outliers); L. Maier-Hein et al., Metrics
reloaded, Nature Methods 21, 2024. With the distances d of the border pixels of truth and of prediction to the nearest
border pixel of the other (:mod:`segbench.scores.surface`)

    HD95 = max(P95(d of the truth), P95(d of the prediction)),

the percentile interpolated linearly between neighbouring ranks, as NumPy and MONAI do. (Tools that take one percentile
of both sets together, medpy say, give another number.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from segbench.scores.columns import ColumnScore, Ratio
from segbench.scores.surface import Empty, SurfaceDistances, SurfaceScore

PERCENTILE = 95


class HD95(SurfaceScore):
    """HD95 in the data's unit of length, 0 at best, lower is better.

    Percentiles do not add up: pooled over images it is the mean over them, as the mean over images is.

    Args:
        empty: What a class that only truth or only prediction has is worth: ``penalty``, the diagonal of the image or
            volume, or ``skip``, left out.
    """

    def __init__(self, empty: Empty = "penalty") -> None:
        super().__init__("hd95", empty)

    def declare(self, unit: str) -> Sequence[ColumnScore]:
        """Return the score: its sum over images by their number."""
        return [
            ColumnScore(
                self.name,
                "HD95",
                (Ratio({f"{self.name}_sum": 1}, {f"{self.name}_images": 1}),),
                lower_is_better=True,
                unit=unit,
                empty=self.rule("the diagonal"),
                left_out=self.left_out,
                most=f"{self.name}_most",
            )
        ]

    def measure(self, distances: SurfaceDistances, diagonal: float) -> Mapping[str, float]:
        """Return HD95 and the number of images, 1."""
        sides = [side for side in (distances.truth, distances.predicted) if len(side)]
        farthest = max(np.percentile(np.minimum(side, diagonal), PERCENTILE) for side in sides)
        return {f"{self.name}_sum": float(farthest), f"{self.name}_images": 1.0}
