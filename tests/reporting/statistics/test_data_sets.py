import numpy as np
import pytest
from scipy import stats

from segbench.reporting.statistics.data_sets import (
    detectable_gain,
    mean_gain,
    signed_rank,
    smallest_signed_rank,
    squared_error,
)
from segbench.reporting.statistics.intervals import standard_errors

GAINS = np.array([0.007, -0.008, 0.012, 0.014, 0.019, -0.003, 0.007, 0.019])


def test_the_mean_gain_is_that_of_statsmodels_and_scipy():
    found = mean_gain(GAINS, np.full(8, 0.0025**2))
    # statsmodels 0.15.0, combine_effects(..., method_re="dl", use_t=True): with equal errors all weights are equal.
    assert found.between**2 == pytest.approx(8.973214285714305e-05)
    assert (found.low, found.high) == pytest.approx((0.00018446318583045448, 0.016565536814169558))
    test = stats.ttest_1samp(GAINS, 0)
    assert found.p == pytest.approx(test.pvalue)
    assert tuple(test.confidence_interval()) == pytest.approx((found.low, found.high))
    wider = mean_gain(GAINS, np.full(8, 0.0025**2), 0.05 / 6)
    assert (wider.low, wider.high) == pytest.approx(tuple(test.confidence_interval(1 - 0.05 / 6)))
    assert (found.p < 0.05) == (found.low > 0)


def test_the_interval_is_that_of_the_hierarchical_model_s_posterior():
    """A grid over the mean gain and the standard deviation of gains, with the prior 1 / sigma."""
    mean = np.linspace(-0.15, 0.17, 1601)[:, None]
    sigma = np.exp(np.linspace(np.log(0.001), np.log(0.5), 800))[None]
    squares = ((GAINS[:, None, None] - mean) ** 2).sum(axis=0)
    weight = np.exp(-squares / (2 * sigma**2) - len(GAINS) * np.log(sigma) - 20).sum(axis=1)
    low, high = np.interp([0.025, 0.975], weight.cumsum() / weight.sum(), mean[:, 0])
    found = mean_gain(GAINS, np.full(8, np.nan))
    assert (low, high) == pytest.approx((found.low, found.high), abs=4e-4)
    assert np.isnan(found.between)


def test_what_shows_no_variation_has_no_interval():
    assert np.isnan(mean_gain(np.array([0.1]), np.array([0.01])).low)
    alike = mean_gain(np.full(3, 0.1), np.full(3, 0.01))
    assert (alike.mean, alike.deviation, alike.between) == (pytest.approx(0.1), 0, 0)
    assert np.isnan([alike.low, alike.high, alike.p]).all()


def test_seeds_and_images_are_taken_off_what_differs_between_data_sets():
    rng = np.random.default_rng(0)
    gains, squares = [], []
    for true in 0.03 * rng.normal(size=1000):
        table = (
            true + 0.02 * rng.normal(size=(3, 1)) + 0.05 * rng.normal(size=(1, 10)) + 0.03 * rng.normal(size=(3, 10))
        )
        gains.append(table.mean())
        squares.append(squared_error(standard_errors(table)))
    assert mean_gain(np.array(gains), np.array(squares)).between == pytest.approx(0.03, rel=0.07)


@pytest.mark.parametrize("sets", [3, 6, 10])
def test_a_gain_that_is_called_detectable_is_found_in_80_percent(sets):
    gain = detectable_gain(0.02, sets)
    drawn = gain + 0.02 * np.random.default_rng(0).normal(size=(sets, 20_000))
    assert (stats.ttest_1samp(drawn, 0).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.01)
    assert detectable_gain(0.02, sets, 0.05 / 6) > gain
    assert np.isnan(detectable_gain(0.02, 1))


def by_signs(gains):
    """SciPy's way through all patterns of signs."""
    return stats.wilcoxon(gains[gains != 0], method=stats.PermutationMethod(n_resamples=10_000)).pvalue


@pytest.mark.parametrize("gains", [GAINS[:6], np.array([1, 1, 2, -1, 0.0]), np.array([3.0, 1, 2]), np.array([-1.0, 2])])
def test_the_signed_rank_test_counts_all_signs(gains):
    assert signed_rank(gains) == pytest.approx(by_signs(gains))
    # What rounding makes of equal gains are ties.
    assert signed_rank(gains + 1e-16 * np.arange(len(gains))) == pytest.approx(by_signs(gains))


def test_the_signed_rank_test_of_many_and_of_no_gains():
    # Without ties SciPy has the exact distribution.
    some = np.random.default_rng(1).normal(0.5, 1, size=13)
    assert signed_rank(some) == pytest.approx(stats.wilcoxon(some, method="exact").pvalue)
    many = np.random.default_rng(0).normal(0.3, 1, size=20)
    assert signed_rank(many) == pytest.approx(stats.wilcoxon(many).pvalue)
    assert signed_rank(np.zeros(4)) == 1
    for sets in (1, 2, 3, 5, 6):
        assert smallest_signed_rank(sets) == signed_rank(np.arange(1.0, sets + 1))
