"""Decisions: what is printed is what is decided, families follow the question, and rows are named."""

import numpy as np
import pytest
from designs import pairwise, pool_of, rows_of
from scipy import stats

from segbench.reporting.statistics.deciding import decide
from segbench.reporting.statistics.intervals import standard_errors
from segbench.reporting.statistics.pooling import Pool


@pytest.fixture(params=[False, True], ids=["alone", "pooled"])
def decided(request):
    """Decide a question about rows with these means."""

    def decided(means, question="best", baseline=None, direction=1, rate=0.05, **more):
        table = direction * rows_of(means, **more)
        pool = pool_of(table) if request.param else Pool()
        tests, order = pairwise(table, pool)
        return decide(tests, order[::direction], pool, question, baseline, direction, rate=rate)

    return decided


@pytest.mark.slow
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(("question", "baseline"), [("best", None), ("baseline", 1), ("pairs", None)])
def test_an_interval_leaves_out_0_where_p_is_below_5_percent(decided, question, baseline, direction):
    verdicts = set()
    for start in range(8):
        found = decided([0.1, 0.04, 0.04, 0.0, 0.0], question, baseline, direction, start=start)
        for one in found.compared:
            assert one.low < one.gain < one.high
            assert (one.p < 0.05) == (one.low > 0 or one.high < 0) == (one.verdict != 0)
            assert one.confidence >= 0.95 - 1e-9
            verdicts.add(one.verdict)
            assert found.between(one.second, one.first) == one
    assert {0, 1} <= verdicts


def test_the_best_is_on_the_shortlist_and_the_limits_say_so(decided):
    for start in range(8):
        found = decided([0.0, 0.1, 0.09, 0.0], start=start)
        assert 1 in found.shortlist
        assert set(found.shortlist) | set(found.ruled_out) == {0, 1, 2, 3}
        assert len(found.compared) == 3
        for standing in found.standings:
            assert standing.low <= 0 <= standing.high
            assert (standing.high == 0) == standing.ruled_out == (standing.p < 0.05)
        if found.winner is not None:
            assert (found.winner,) == found.shortlist
            assert found.standings[0].low == 0


def test_a_clear_winner_and_a_tie(decided):
    assert decided([0.0, 0.5, 0.0]).winner == 1
    tied = decided([0.3] * 4)
    assert tied.winner is None
    assert len(tied.shortlist) == 4


def test_the_baselines_family_has_no_other_pairs(decided):
    found = decided([0.0, 0.3, 0.0, 0.6], "baseline", 1)
    assert [one.second for one in found.compared] == [1, 1, 1]
    assert {one.first: one.verdict for one in found.compared} == {0: -1, 2: -1, 3: 1}
    assert found.shortlist == found.ruled_out == ()


def test_two_rows_are_decided_by_the_test_of_a_pair():
    table = rows_of([0.02, 0.0])
    tests, order = pairwise(table)
    found = decide(tests, order, Pool())
    difference = table[0] - table[1]
    expected = float(standard_errors(difference).p_value(np.abs(difference.mean())))
    assert found.compared[0].p == pytest.approx(expected)


def test_seeds_alone_follow_dunnett():
    """Rows alike in their variance, images without a part: near scipy's Dunnett, which is told that they are alike."""
    rng = np.random.default_rng(3)
    scores = np.array([0.0, 1.4, 0.2, 0.5])[:, None] + rng.normal(size=(4, 12))
    table = np.repeat(scores[..., None], 400, axis=-1)
    found = decide(*pairwise(table, pool_of(table)), pool_of(table), "baseline", 0)
    expected = stats.dunnett(*scores[1:], control=scores[0])
    ours = {one.first: one.p for one in found.compared}
    found = np.array([ours[row] for row in (1, 2, 3)])
    assert (found >= expected.pvalue).all()
    assert found == pytest.approx(expected.pvalue, abs=0.2)
    assert found[0] == pytest.approx(expected.pvalue[0], abs=0.02)


def test_without_tests_nothing_is_ruled_out():
    found = decide([], [1, 0], Pool())
    assert found.shortlist == (1, 0)
    assert found.winner is None
    assert np.isnan(found.standings[0].p)
    assert decide([], [], Pool()).winner is None


def test_lower_can_be_better(decided):
    assert decided([0.1, 0.5, 0.1], direction=-1).winner == 1


@pytest.mark.slow
@pytest.mark.parametrize(("question", "baseline"), [("best", None), ("baseline", 1), ("pairs", None)])
def test_a_look_decides_what_its_share_of_the_error_rate_allows(decided, question, baseline):
    """A p-value of a look is that of the whole error rate, stretched; its interval leaves out 0 with it."""
    verdicts = set()
    for start in range(8):
        whole, share = (
            decided([0.1, 0.06, 0.04, 0.0], question, baseline, rate=rate, start=start) for rate in (0.05, 0.01)
        )
        for one in share.compared:
            other = whole.between(*one.rows)
            if other is not None and question != "best":
                assert one.p == pytest.approx(min(5 * other.p, 1))
                assert one.high - one.low > other.high - other.low
            assert (one.p < 0.05) == (one.low > 0 or one.high < 0)
            verdicts.add(abs(one.verdict))
        assert set(share.ruled_out) <= set(whole.ruled_out)
    assert {0, 1} <= verdicts
