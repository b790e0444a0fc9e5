"""Boundary F1: precision and recall of the pixels on the boundary of a class, within a tolerance.

G. Csurka, D. Larlus, F. Perronnin, What is a good evaluation measure for semantic segmentation?, BMVC 2013, section 4
(after D. R. Martin et al., IEEE TPAMI 26 (5), 2004). With a tolerance t and the boundary pixels of truth and of
prediction (:mod:`segbench.scores.surface`)

    precision = share of the prediction's within t of the truth's,
    recall = share of the truth's within t of the prediction's,
    boundary F1 = 2 precision recall / (precision + recall).

A distance of exactly t is within it (the paper writes "less than").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from segbench.scores.columns import ColumnScore, Ratio
from segbench.scores.surface import Empty, SurfaceDistances, SurfaceScore

# Of the image's diagonal, the paper's.
SHARE = 0.0075


class BoundaryF1(SurfaceScore):
    """Boundary F1, 0 to 1, higher is better. Pooled, precision and recall are over the boundary pixels of all images.

    Args:
        tolerance: Largest distance that still counts as found, in the data's unit of length (px or mm); None is the
            paper's, 0.75 % of the diagonal of the image or volume.
        name: What tables call it, if several tolerances are to stand beside each other.
        empty: What a class that only truth or only prediction has is worth: ``penalty``, 0, or ``skip``, left out.

    Raises:
        ValueError: For a tolerance that is not a number of 0 or more.
    """

    def __init__(self, tolerance: float | None = None, name: str = "boundary_f1", empty: Empty = "penalty") -> None:
        super().__init__(name, empty)
        if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
            raise ValueError(f"tolerance must be a distance of 0 or more, or null, got {tolerance}")
        self.tolerance = tolerance

    def declare(self, unit: str) -> Sequence[ColumnScore]:
        """Return the score: the harmonic mean of precision and recall."""
        within = f"{100 * SHARE:g} % of the diagonal" if self.tolerance is None else f"{self.tolerance:g} {unit}"
        ratios = [
            Ratio({f"{self.name}_{side}_within": 1}, {f"{self.name}_{side}_points": 1})
            for side in ("predicted", "truth")
        ]
        return [
            ColumnScore(
                self.name,
                f"boundary F1 at {within}",
                tuple(ratios),
                mean="harmonic",
                empty=self.rule("0"),
                left_out=self.left_out,
            )
        ]

    def measure(self, distances: SurfaceDistances, diagonal: float) -> Mapping[str, float]:
        """Return the number of boundary pixels within the tolerance and of all, of the prediction and of the truth."""
        predicted, truth = distances.within(SHARE * diagonal if self.tolerance is None else self.tolerance)
        return {
            f"{self.name}_predicted_within": float(predicted),
            f"{self.name}_predicted_points": float(len(distances.predicted)),
            f"{self.name}_truth_within": float(truth),
            f"{self.name}_truth_points": float(len(distances.truth)),
        }
