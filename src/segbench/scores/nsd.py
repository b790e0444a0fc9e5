"""NSD, the normalised surface Dice: the share of two surfaces that lie within a tolerance of each other.

S. Nikolov et al., Deep learning to achieve clinically applicable segmentation of head and neck anatomy for
radiotherapy, arXiv:1809.04430, 2018 (J. Med. Internet Res. 23 (7), 2021), "surface Dice". With a tolerance t, which
should be what two experts differ by, and the border pixels of truth and of prediction (:mod:`segbench.scores.surface`)

    NSD = (of the truth within t of the prediction + of the prediction within t of the truth) / (all of both).

The paper weighs surface elements by their area; here, as in MONAI by default, each border pixel counts once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from segbench.scores.columns import ColumnScore, Ratio
from segbench.scores.surface import Empty, SurfaceDistances, SurfaceScore


class NSD(SurfaceScore):
    """NSD at a tolerance, 0 to 1, higher is better. Pooled, it is over the border pixels of all images.

    Args:
        tolerance: Largest distance that still counts as the same place, in the data's unit of length (px or mm).
        name: What tables call it, if several tolerances are to stand beside each other.
        empty: What a class that only truth or only prediction has is worth: ``penalty``, 0, or ``skip``, left out.

    Raises:
        ValueError: For a tolerance that is not a number of 0 or more.
    """

    def __init__(self, tolerance: float, name: str = "nsd", empty: Empty = "penalty") -> None:
        super().__init__(name, empty)
        if not (math.isfinite(tolerance) and tolerance >= 0):
            raise ValueError(f"tolerance must be a distance of 0 or more, got {tolerance}")
        self.tolerance = tolerance

    def declare(self, unit: str) -> Sequence[ColumnScore]:
        """Return the score: border pixels within the tolerance by all of them."""
        return [
            ColumnScore(
                self.name,
                f"NSD at {self.tolerance:g} {unit}",
                (Ratio({f"{self.name}_within": 1}, {f"{self.name}_points": 1}),),
                empty=self.rule("0"),
                left_out=self.left_out,
            )
        ]

    def measure(self, distances: SurfaceDistances, diagonal: float) -> Mapping[str, float]:
        """Return the number of border pixels within the tolerance and of all."""
        within = sum(distances.within(self.tolerance))
        return {f"{self.name}_within": float(within), f"{self.name}_points": float(distances.points)}
