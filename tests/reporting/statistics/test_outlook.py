"""What a design finds after the correction, and how many seeds would settle a difference."""

import numpy as np
import pytest
from designs import pairwise, pool_of, rows_of

from segbench.reporting.statistics.deciding import decide
from segbench.reporting.statistics.families import planned
from segbench.reporting.statistics.outlook import Outlook
from segbench.reporting.statistics.power import POWER
from segbench.reporting.statistics.variance_components import Components, components

# Of a difference between two single runs with the deviations 0.007, 0.018 and 0.028.
STUDY = Components(2 * 0.007**2, 2 * 0.018**2, 2 * 0.028**2)


@pytest.fixture
def outlook():
    return Outlook(STUDY, 3, 20, 7)


def found(family, rows, seeds, difference, experiments):
    """Share of pairs of the best row and another that the decision tells apart."""
    told = []
    for start in range(1000, 1000 + experiments):
        table = rows_of([difference, *[0.0] * (rows - 1)], seeds, start=start)
        pool = pool_of(table)
        decision = decide(*pairwise(table, pool), pool, family, 0 if family == "baseline" else None)
        told += [one.verdict != 0 for one in decision.compared if 0 in one.rows]
    return np.mean(told)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["best", "baseline", "pairs"])
@pytest.mark.parametrize(("rows", "seeds"), [(2, 3), (4, 3), (7, 5)])
def test_a_detectable_difference_is_found_by_the_decision(family, rows, seeds):
    smallest = Outlook(STUDY, seeds, 20, rows, family, pooled=rows > 2).detectable.value
    share = found(family, rows, seeds, smallest, 600 // rows)
    print(f"{family}, {rows} rows, {seeds} seeds: {smallest:.4f} found in {share:.1%}")
    assert share == pytest.approx(POWER, abs=0.06)


def test_questions_with_fewer_comparisons_find_less():
    best, baseline, pairs = (Outlook(STUDY, 3, 20, 7, family).finds(3) for family in ("best", "baseline", "pairs"))
    assert best < baseline < pairs
    assert planned("best", 7) > planned("baseline", 7) > planned("pairs", 7)
    assert planned("pairs", 2) == planned("best", 2) == 0.05


def test_rows_that_share_their_variance_find_less_than_a_pair_alone():
    assert Outlook(STUDY, 3, 20, 7).finds(3) < Outlook(STUDY, 3, 20, 7, pooled=False).finds(3) / 1.5


def test_it_settles_with_the_fewest_seeds(outlook):
    seeds = outlook.settle(0.03, 30)
    assert outlook.finds(seeds) <= 0.03 < outlook.finds(seeds - 1)
    # 20 images alone hide this much, whatever the seeds.
    assert outlook.settle(0.01, 10) is None
    assert outlook.settle(0.0) is None


@pytest.mark.slow
def test_the_range_holds_the_true_value():
    """In 90 % of experiments, as it is the interval of the variances that were estimated."""
    true = Outlook(STUDY, 3, 20, 4).detectable.value
    held = []
    for start in range(60):
        table = rows_of([0.0] * 4, start=start)
        tables = [table[i] - table[j] for i in range(4) for j in range(i)]
        estimate = Outlook(components(tables), 3, 20, 4).detectable
        held.append(estimate.low <= true <= estimate.high)
    assert 0.8 <= np.mean(held) <= 1


def test_shares_are_of_the_difference(outlook):
    assert outlook.shares == STUDY.shares
    parts = np.array([STUDY.seed / 3, STUDY.image / 20, STUDY.rest / 60])
    assert list(outlook.shares_of_mean.values()) == pytest.approx(parts / parts.sum())
