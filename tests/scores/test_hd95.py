"""HD95: the percentile by hand; geometry and MONAI stand in test_surface."""

import numpy as np
import pytest

from segbench.scores.hd95 import HD95


def test_the_percentile_of_the_farther_side(region, score_of):
    """21 single pixels are found, of which one lies 10 away: of ranks 0 to 20 the 95th percentile is rank 19."""
    truth, predicted = np.zeros((5, 80), bool), np.zeros((5, 80), bool)
    truth[2, :63:3] = predicted[2, :63:3] = True
    predicted[2, 0], predicted[2, 70] = False, True
    # From (2,0) to (2,3) 3, from (2,70) to (2,60) 10; 20 others meet.
    assert score_of(HD95(), region(truth, predicted)) == 0
    # Of 20 pixels rank 18.05 is interpolated: a twentieth of 10.
    truth[2, 57] = predicted[2, 57] = False
    assert score_of(HD95(), region(truth, predicted)) == pytest.approx(0.05 * 10)


def test_its_declaration():
    (score,) = HD95().declare("mm")
    assert (score.name, score.title, score.unit, score.lower_is_better) == ("hd95", "HD95", "mm", True)
    assert score.largest == np.inf
    assert score.empty == "a class that only truth or only prediction has counts as the diagonal"
