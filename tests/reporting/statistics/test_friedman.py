from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from segbench.reporting.statistics import friedman as module
from segbench.reporting.statistics.friedman import friedman, ranks

TABLE = np.array(
    [
        [0.912, 0.905, 0.861, 0.910],
        [0.744, 0.752, 0.701, 0.760],
        [0.833, 0.821, 0.800, 0.829],
        [0.655, 0.641, 0.660, 0.672],
        [0.790, 0.771, 0.742, 0.783],
        [0.881, 0.884, 0.850, 0.893],
        [0.702, 0.695, 0.640, 0.711],
        [0.921, 0.902, 0.870, 0.915],
    ]
)


def by_orders(found):
    """The exact p-value by going through all orders in all data sets."""

    def statistic(table):
        return ((table.sum(axis=0) - table.sum() / table.shape[1]) ** 2).sum()

    far = [statistic(np.array(lines)) >= statistic(found) - 1e-9 for lines in product(*map(permutations, found))]
    return np.mean(far)


def test_average_ranks_and_statistic_are_autorank_s_and_scipy_s(monkeypatch):
    found = ranks(TABLE)
    # autorank 1.3.0, force_mode="nonparametric".
    assert found.mean(axis=0).tolist() == [1.875, 2.875, 3.75, 1.5]
    test, theirs = friedman(found), stats.friedmanchisquare(*TABLE.T)
    assert test.statistic == pytest.approx(theirs.statistic)
    assert theirs.pvalue == pytest.approx(0.0019494261985624271)
    assert test.exact
    assert test.p < theirs.pvalue
    monkeypatch.setattr(module, "MOST_STATES", 1)
    by_f = friedman(found)
    assert not by_f.exact
    ratio = 7 * by_f.statistic / (24 - by_f.statistic)
    assert by_f.p == pytest.approx(stats.f.sf(ratio, 3, 21))


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (4, 3), (6, 2), (2, 4)])
def test_the_exact_p_counts_all_orders(shape):
    rng = np.random.default_rng(sum(shape))
    for scores in (rng.normal(size=shape), rng.integers(0, 3, shape).astype(float)):
        found = ranks(scores)
        assert friedman(found).p == pytest.approx(by_orders(found))


def test_ties_count_as_scipy_s_and_rounding_is_a_tie():
    scores = np.array([[3.0, 1, 1], [2, 1, 3], [2, 2, 1], [5, 4, 3]])
    assert friedman(ranks(scores)).statistic == pytest.approx(stats.friedmanchisquare(*scores.T).statistic)
    assert ranks(np.array([[0.3, 0.1 + 0.2, 0.5]])).tolist() == [[2.5, 2.5, 1]]
    assert friedman(ranks(np.ones((3, 3)))).p == 1


def test_where_lower_is_better_the_lowest_is_first():
    assert ranks(np.array([[3.0, 1, 2]]), -1).tolist() == [[3, 1, 2]]


def test_equal_orders_of_many_networks_have_the_probability_of_that():
    found = friedman(ranks(np.tile(np.arange(9.0), (3, 1))))
    assert (found.exact, found.p) == (False, pytest.approx(362880.0**-2))
    assert friedman(ranks(np.tile(np.arange(3.0), (3, 1)))).p == pytest.approx(1 / 36)
