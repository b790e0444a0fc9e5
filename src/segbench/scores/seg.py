"""SEG, the segmentation accuracy of the Cell Tracking Challenge.

M. Maška et al., A benchmark for comparison of cell tracking algorithms, Bioinformatics 30 (11), 2014, section 2.4. Of a
reference cell R and the predicted cell S that covers more than half of it, |R n S| > |R| / 2, the score is the Jaccard
index |R n S| / |R u S|; at most one S can do so. Without such an S it is 0. SEG is the mean over the reference cells: a
predicted cell that covers no more than half of any costs nothing, and without reference cells there is no score.

What is stored adds up over images. The challenge's own way is the mean over all cells of a sequence, which is
``pooled``; ``per_image`` is the mean over images of the mean over each image's cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from segbench.scores.arithmetic import Floats, Labels
from segbench.scores.columns import ColumnScore, Ratio
from segbench.scores.objects import ObjectColumns

# Of one image and class, in the order of :func:`seg_terms`: sum of the Jaccard indices over the reference cells, and
# their number.
SEG_COLUMNS = ("seg_sum", "seg_cells")
SEG = ColumnScore("seg", "SEG", (Ratio({"seg_sum": 1}, {"seg_cells": 1}),))


class SegScores(ObjectColumns):
    """SEG of the objects of each class (the module says how).

    Args:
        classes: Names of the classes that are made of objects; None for every foreground class.
    """

    def declare(self, unit: str) -> Sequence[ColumnScore]:
        """Return the score."""
        return (SEG,)

    def object_terms(self, truth: Labels, prediction: Labels) -> Mapping[str, float]:
        """Return the columns of an image from the labels of the objects on both sides, (H,W), 0 for none."""
        return dict(zip(SEG_COLUMNS, seg_terms(truth, prediction).tolist(), strict=True))


def seg_terms(truth: Labels, prediction: Labels) -> Floats:
    """Return the terms of SEG of one image, in time that does not grow with the number of cells.

    Args:
        truth: Label of each pixel's reference cell (H,W), 0 for none; any labels, which need not be connected.
        prediction: The same of the prediction.

    Returns:
        float64 (2,), in the order of :data:`SEG_COLUMNS`.
    """
    cells, areas = np.unique(truth[truth > 0], return_counts=True)
    found, sizes = np.unique(prediction[prediction > 0], return_counts=True)
    both = (truth > 0) & (prediction > 0)
    pairs, shared = np.unique(
        np.searchsorted(cells, truth[both]) * len(found) + np.searchsorted(found, prediction[both]), return_counts=True
    )
    cell, other = np.divmod(pairs, max(len(found), 1))
    match = 2 * shared > areas[cell]
    jaccard = shared / (areas[cell] + sizes[other] - shared)
    return np.array([jaccard[match].sum(), len(cells)], np.float64)
