"""Boundary F1 by hand and by all pairs of pixels; geometry stands in test_surface."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from segbench.scores.boundary_f1 import BoundaryF1


def test_by_hand(region, score_of):
    """A line of 8 pixels of which 4 are predicted, and 2 that are none: precision 4/6, recall 4/8."""
    truth, predicted = np.zeros((9, 12), bool), np.zeros((9, 12), bool)
    truth[4, 2:10] = True
    predicted[4, 2:6] = True
    predicted[0, 10:] = True
    assert score_of(BoundaryF1(0), region(truth, predicted)) == pytest.approx(2 * (4 / 6) * (4 / 8) / (4 / 6 + 4 / 8))
    # Within 1 pixel the next one of the line is found too.
    assert score_of(BoundaryF1(1), region(truth, predicted)) == pytest.approx(2 * (4 / 6) * (5 / 8) / (4 / 6 + 5 / 8))


@pytest.mark.parametrize(("empty", "worth"), [("penalty", "counts as 0"), ("skip", "is left out")])
def test_its_declaration_tells_what_an_empty_side_is_worth(empty, worth):
    (score,) = BoundaryF1(empty=empty).declare("px")
    assert score.empty == f"a class that only truth or only prediction has {worth}"


def test_nothing_right_and_nothing_found_is_0(region, score_of):
    truth, predicted = np.zeros((9, 12), bool), np.zeros((9, 12), bool)
    truth[1, 1], predicted[7, 9] = True, True
    assert score_of(BoundaryF1(1), region(truth, predicted)) == 0


@pytest.mark.parametrize(
    ("shape", "spacing"), [((60, 80), None), ((60, 80), (2.0, 0.5)), ((8, 24, 30), (8.0, 1.5, 1.5))]
)
def test_without_a_tolerance_it_is_the_papers_share_of_the_diagonal(region, score_of, blobs, shape, spacing):
    truth, predicted = blobs(shape, 3)
    steps = np.array(spacing or (1.0,) * len(shape))
    one, other = (np.argwhere(mask & ~ndimage.binary_erosion(mask)) * steps for mask in (truth, predicted))
    near = cdist(one, other) <= 0.0075 * np.linalg.norm((np.array(shape) - 1) * steps)
    precision, recall = near.any(axis=0).mean(), near.any(axis=1).mean()
    expected = 2 * precision * recall / (precision + recall)
    assert 0.1 < expected < 1
    assert score_of(BoundaryF1(), region(truth, predicted, spacing)) == pytest.approx(expected)


def test_its_declaration():
    (score,) = BoundaryF1().declare("px")
    assert (score.name, score.title) == ("boundary_f1", "boundary F1 at 0.75 % of the diagonal")
    assert (score.unit, score.lower_is_better, score.mean) == ("", False, "harmonic")
    assert BoundaryF1(3, name="boundary_f1_wide").declare("mm")[0].title == "boundary F1 at 3 mm"
