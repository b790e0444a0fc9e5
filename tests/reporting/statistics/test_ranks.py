import numpy as np
import pytest
from scipy import stats
from simulated import counts, layouts

from segbench.reporting.statistics.jackknife import layout, parts
from segbench.reporting.statistics.ranks import rank_probabilities
from segbench.scores import Convention


def rows(*tables, seeds=None):
    """Lay out configurations: the scores of each, (S,G)."""
    found = []
    for index, table in enumerate(tables):
        numbers = range(len(table)) if seeds is None else seeds[index]
        runs = {
            seed: [parts(counts(np.array(scores)), "dice", Convention())]
            for seed, scores in zip(numbers, table, strict=True)
        }
        found.append(layout(runs))
    return found


def drawn(seed, *means, shape=(3, 20), sd=(0.005, 0.02, 0.02)):
    rng = np.random.default_rng(seed)
    easy = 0.1 * rng.normal(size=shape[1])
    return [np.clip(mean + easy + layouts(rng, 1, shape, *sd)[0], 0, 1) for mean in means]


def test_rows_and_columns_add_up_to_one_and_are_the_same_every_time():
    found = rank_probabilities(rows(*drawn(0, 0.6, 0.61, 0.5, 0.6)), draws=2000)
    assert found.sum(axis=0) == pytest.approx(1)
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found == rank_probabilities(rows(*drawn(0, 0.6, 0.61, 0.5, 0.6)), draws=2000)).all()
    assert found[2, 3] > 0.99


def test_equal_rows_take_turns():
    table = drawn(1, 0.6)[0]
    assert rank_probabilities(rows(table, table, table)) == pytest.approx(np.full((3, 3), 1 / 3), abs=1e-9)
    # Of two equal rows each is best as often as the other, and above a third as often.
    third = drawn(1, 0.6, 0.605)[1]
    found = rank_probabilities(rows(table, third, table))
    assert found[0] == pytest.approx(found[2], abs=1e-9)
    assert 0.01 < found[1, 0] < 0.99
    assert found.sum(axis=0) == pytest.approx(1)
    assert found.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(("sd", "freedom"), [((0.02, 0, 0), 2), ((0, 0.02, 0), 19)])
def test_with_one_source_it_is_the_one_sided_p_of_the_t_test(sd, freedom):
    first, second = drawn(3, 0.6, 0.606, sd=sd)
    axis = 1 if freedom == 2 else 0
    difference = (second - first).mean(axis=axis)
    expected = 1 - stats.ttest_1samp(difference, 0, alternative="greater").pvalue
    assert rank_probabilities(rows(first, second))[1, 0] == pytest.approx(expected, abs=0.015)


def test_more_seeds_do_not_make_a_row_lose_its_pairing():
    first, second = drawn(4, 0.6, 0.6, shape=(4, 20))
    found = rank_probabilities(rows(first, second[:3], seeds=[[0, 1, 2, 3], [0, 1, 2]]))
    assert found.sum(axis=0) == pytest.approx(1)
    assert 0.01 < found[0, 0] < 0.99


@pytest.mark.slow
def test_it_is_rarely_sure_of_equal_rows():
    # Plain resampling of 3 seeds is sure (above 0.975 or below 0.025) in 1 of 4 cases where seeds alone vary.
    sure = []
    for seed in range(300):
        best = rank_probabilities(rows(*drawn(seed, 0.6, 0.6, sd=(0.02, 0, 0))), draws=1000)[0, 0]
        sure.append(not 0.025 < best < 0.975)
    assert np.mean(sure) < 0.09
