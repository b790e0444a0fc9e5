"""ASSD: over the border pixels of both sides; geometry and MONAI stand in test_surface."""

import numpy as np
import pytest

from segbench.scores.assd import ASSD


def test_each_border_pixel_counts_once_whatever_side_it_is_of(region, score_of):
    """Two pixels of truth, one of prediction: (0 + 4 + 0) / 3, and not the mean of 2 and 0."""
    truth, predicted = np.zeros((3, 9), bool), np.zeros((3, 9), bool)
    truth[1, 2] = truth[1, 6] = predicted[1, 2] = True
    assert score_of(ASSD(), region(truth, predicted)) == pytest.approx(4 / 3)


def test_its_declaration():
    (score,) = ASSD("skip").declare("px")
    assert (score.name, score.title, score.unit, score.lower_is_better) == ("assd", "ASSD", "px", True)
    assert score.empty == "a class that only truth or only prediction has is left out"
