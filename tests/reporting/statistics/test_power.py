"""Variance components and the detectable difference, by hand and by simulation."""

import numpy as np
import pytest
from scipy import stats
from simulated import layouts

from segbench.reporting.statistics.intervals import half_width
from segbench.reporting.statistics.power import detectable
from segbench.reporting.statistics.variance_components import Components, components


def test_components_by_hand():
    # Seeds' means 1 and 3, groups' means 1, 2, 3, no rest: variances 2 and 1.
    table = np.array([[0.0, 1, 2], [2, 3, 4]])
    assert components([table]) == Components(2, 1, 0)
    # A rest of mean square 1.5 (sum of squares 3, 2 degrees of freedom) takes 1.5/3 and 1.5/2 off the first two.
    rest = np.array([[1.0, 0, -1], [-1, 0, 1]]) * np.sqrt(3) / 2
    found = components([table + rest])
    assert (found.seed, found.image, found.rest) == pytest.approx((1.5, 0.25, 1.5))
    assert sum(found.shares.values()) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("true", [(1, 2, 3), (0, 1, 0.5), (2, 0, 1)])
def test_components_are_unbiased_but_for_the_clipping(true):
    tables = layouts(np.random.default_rng(0), 4000, (3, 20), *true)
    found = components(tables)
    assert (found.seed, found.image, found.rest) == pytest.approx(np.square(true), rel=0.1, abs=0.02)
    assert min(found.seed, found.image, found.rest) >= 0


def test_what_cannot_be_told_is_none():
    assert components([]) is None
    assert components([np.zeros((1, 5)), np.zeros((5, 1)), np.array([[1, np.nan], [2, 3]])]) is None
    assert components([np.ones((3, 3))]).shares == {}


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2, 10), (3, 20), (5, 200)])
@pytest.mark.parametrize("deviations", [(0.01, 0.03, 0.04), (0.01, 0, 0), (0, 0.03, 0.04), (0.001, 0.05, 0.01)])
def test_the_detectable_difference_is_found_in_80_percent(shape, deviations):
    smallest = detectable(Components(*np.square(deviations)), *shape)
    tables = layouts(np.random.default_rng(1), 4000, shape, *deviations) + smallest
    found = np.abs(tables.mean(axis=(1, 2))) > half_width(tables)
    assert found.mean() == pytest.approx(0.8, abs=0.03)


def test_with_one_source_it_is_the_power_of_the_t_test():
    smallest = detectable(Components(0, 1, 0), 3, 25)
    shift = smallest * 5
    critical = stats.t.ppf(0.975, 24)
    power = stats.nct.sf(critical, 24, shift) + stats.nct.cdf(-critical, 24, shift)
    assert power == pytest.approx(0.8, abs=0.005)


@pytest.mark.slow
def test_more_seeds_and_images_find_less():
    variances = Components(1e-4, 1e-3, 1e-3)
    by_seeds = [detectable(variances, seeds, 50) for seeds in (2, 3, 5, 10, 50)]
    by_groups = [detectable(variances, 5, groups) for groups in (2, 10, 50, 500)]
    for found in (by_seeds, by_groups):
        assert (np.diff(found) < 0).all()


def test_one_seed_or_one_group_finds_nothing():
    assert np.isnan([detectable(Components(1, 1, 1), 1, 50), detectable(Components(1, 1, 1), 3, 1)]).all()
    assert detectable(Components(0, 0, 0), 3, 20) == 0
