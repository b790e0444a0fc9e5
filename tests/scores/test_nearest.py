"""Distances to the nearest pixel are those of all pairs, to the bit, near and far."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from segbench.scores.nearest import _REACH, squared_distances


def least(points, others):
    return cdist(points, others, "sqeuclidean").min(axis=1)


@pytest.mark.parametrize("number", range(12))
def test_every_distance_is_the_least_of_all_pairs(number):
    chance = np.random.default_rng(number)
    shape = chance.integers(1, 180, 2)
    points, others = (np.argwhere(chance.random(shape) < share) for share in chance.uniform(0.002, 0.05, 2))
    points, others = (places if len(places) else np.array([[0, 0]]) for places in (points, others))
    np.testing.assert_array_equal(squared_distances(points, others), least(points, others))


@pytest.mark.parametrize("far", range(_REACH - 1, _REACH + 4))
def test_nothing_is_missed_where_the_reach_ends(far):
    places = np.array([[-far, 0], [far, 0], [0, far], [0, -far], [far, 1], [1, far], [far, far], [40, 50], [46, 45]])
    for taken in range(1, len(places) + 1):
        others = places[-taken:] + 500
        points = np.array([[500, 500], [501, 499]])
        np.testing.assert_array_equal(squared_distances(points, others), least(points, others))
