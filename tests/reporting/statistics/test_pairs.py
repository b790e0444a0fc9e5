import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from simulated import counts, layouts, sign_flips

from segbench.reporting.statistics.families import holm
from segbench.reporting.statistics.jackknife import parts
from segbench.reporting.statistics.pairs import compare_pairs, effect_size, probability_above
from segbench.scores import Convention


def side(*seeds, **named):
    """The runs of one configuration: seed to the scores of its images."""
    numbered = dict(enumerate(seeds)) | named
    return {seed: [parts(counts(np.array(scores)), "dice", Convention())] for seed, scores in numbered.items()}


def test_holm_by_hand():
    # 3 * 0.01; max(2 * 0.04, 0.03); max(0.03, 0.08), in the order of the p-values.
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])
    # S. Holm (1979), as R's p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") gives it.
    assert holm(np.array([0.01, 0.02, 0.03, 0.04, 0.05])) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]
    assert holm(np.array([])).tolist() == []


def test_holm_leaves_out_what_was_not_tested():
    found = holm(np.array([np.nan, 0.01, np.nan, 0.04]))
    assert np.isnan(found[[0, 2]]).all()
    assert found[[1, 3]] == pytest.approx([0.02, 0.04])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(values):
    p = np.array(values)
    found = holm(p)
    assert (found >= p).all()
    assert (found <= np.minimum(len(p) * p, 1) + 1e-12).all()
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= 0).all()


def test_holm_keeps_false_alarms_of_a_family_at_the_level():
    rng = np.random.default_rng(0)
    alarms = [holm(rng.random(10)).min() < 0.05 for _ in range(4000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.011)


@pytest.mark.parametrize("count", [2, 7, 12])
def test_few_groups_go_through_all_signs(count):
    values = np.random.default_rng(count).normal(0.5, 1, count)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flips(values) == pytest.approx(expected)


def test_many_groups_agree_with_the_t_test_and_are_the_same_every_time():
    values = np.random.default_rng(1).normal(0.2, 1, (4, 60))
    found = sign_flips(values)
    assert found == pytest.approx(stats.ttest_1samp(values, 0, axis=1).pvalue, abs=0.02)
    assert (sign_flips(values) == found).all()
    # The pattern that was found is one of them, so no p-value is 0.
    assert sign_flips(np.full(60, 0.1)) == pytest.approx(1 / 10_001)


def test_no_difference_has_p_1():
    assert sign_flips(np.zeros((2, 30))).tolist() == [1, 1]


def test_probability_counts_ties_half():
    assert probability_above(np.array([[0.1, 0.0], [-0.1, 0.2]])) == (1 + 0.5 + 0 + 1) / 4
    assert probability_above(np.array([[0.1, np.nan], [np.nan, 0.2]])) == 1


def test_effect_is_the_mean_in_standard_deviations():
    assert effect_size(np.array([[1.0, 2.0], [3.0, 6.0]])) == pytest.approx(3 / np.std([1, 2, 3, 6], ddof=1))
    assert np.isnan(effect_size(np.full((3, 4), 0.1)))
    assert np.isnan(effect_size(np.array([[0.1]])))


def test_all_pairs_that_can_be_compared():
    rng = np.random.default_rng(2)
    easy = rng.uniform(0.6, 0.8, 30)
    better, worse = ([easy + gain + 0.01 * rng.normal(size=30) for _ in range(3)] for gain in (0.1, 0))
    rows = [side(*better), side(*worse), side(*worse[:1]), side(easy[:20])]
    found = compare_pairs([0, 2, 5, 6], rows)
    pairs, refused, tables = found.pairs, found.refused, found.tables
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 2), (0, 5), (2, 5)]
    assert refused == dict.fromkeys([(0, 6), (2, 6), (5, 6)], "the runs are scored on different images")
    clear, single, same = pairs
    corrected = holm(np.array([pair.p for pair in pairs]))
    assert corrected[0] < 0.05
    assert clear.difference.mean == pytest.approx(0.1, abs=0.01)
    # One test: there is nothing to correct for.
    assert (corrected[0], clear.probability) == (clear.p, 1)
    assert (clear.cases, single.cases) == (90, 30)
    assert clear.p < 0.01
    assert clear.effect == pytest.approx(effect_size(np.subtract(better, worse)), rel=1e-4)
    assert np.isnan([single.p, same.p, *corrected[1:]]).all()
    assert [table.shape for table in tables] == [(3, 30), (1, 30), (1, 30)]


def test_a_test_over_images_alone_takes_seeds_for_a_difference():
    # Why the report has no such test; what the docstring says of Wilcoxon and sign flips: equal configurations, seeds that differ a little.
    rng = np.random.default_rng(3)
    tables = layouts(rng, 400, (3, 30), 0.01, 0.02, 0.02)
    means = tables.mean(axis=1)
    assert (sign_flips(means) < 0.05).mean() > 0.2
    assert (stats.wilcoxon(means, axis=1).pvalue < 0.05).mean() > 0.2
