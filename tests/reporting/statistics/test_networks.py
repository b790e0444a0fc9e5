"""Whether the trained networks differ on other images: a paired t test over images, whatever seeds would do."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from simulated import counts

from segbench.reporting.collection.runs import Run
from segbench.reporting.statistics.jackknife import Layout, by_seed, layout
from segbench.reporting.statistics.networks import compare_networks
from segbench.scores import Convention


def laid_out(table):
    """A row alone, of the scores of each seed and image."""
    runs = [
        Run(Path(f"{seed}"), "done", seed=seed, counts={"test": counts(scores)}) for seed, scores in enumerate(table)
    ]
    return layout(by_seed(runs, "test", "dice", Convention()))


def drawn(*means, seeds=3, images=20, seed_spread=0.0, number=0):
    rng = np.random.default_rng(number)
    easy = 0.05 * rng.normal(size=images)
    return [
        (mean + easy + seed_spread * rng.normal(size=(seeds, 1)) + 0.01 * rng.normal(size=(seeds, images))).round(6)
        for mean in means
    ]


def test_two_rows_are_a_paired_t_test_over_images():
    tables = drawn(0.7, 0.705)
    found = compare_networks([laid_out(table) for table in tables], [0, 1])
    first, second = (table.mean(axis=0) for table in tables[::-1])
    oracle = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert found.order == (1, 0)
    assert found.counts == (3, 3)
    assert found.gain == pytest.approx((first - second).mean())
    assert (found.low, found.high) == pytest.approx(tuple(oracle), abs=1e-6)
    assert found.shortlist == ((1,) if oracle.low > 0 else (1, 0))


def test_of_several_rows_those_are_left_that_no_other_beats():
    rows = [laid_out(table) for table in drawn(0.7, 0.8, 0.6, 0.8005)]
    found = compare_networks(rows, [3, 1, 0, 2])
    assert set(found.shortlist) == {1, 3}
    assert set(found.order[2:]) == {0, 2}
    # Lower is better: the other end of the order.
    assert compare_networks(rows, [2, 0, 1, 3], direction=-1).shortlist == (2,)


def test_equal_recipes_have_different_networks():
    """What seeds do is taken for what these networks are."""
    tables = drawn(0.7, 0.7, seed_spread=0.05, images=60)
    found = compare_networks([laid_out(table) for table in tables], [0, 1])
    assert len(found.shortlist) == 1


def test_one_seed_will_do_and_one_image_will_not():
    assert compare_networks([laid_out(table) for table in drawn(0.7, 0.8, seeds=1)], [1, 0]).shortlist == (1,)
    assert compare_networks([laid_out(table) for table in drawn(0.7, 0.8, images=1)], [1, 0]) is None
    assert compare_networks([laid_out(drawn(0.7)[0]), None], [0]) is None


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "images", "skewed"), [(2, 20, False), (2, 5, True), (7, 20, False), (7, 60, True)])
def test_a_row_as_good_as_the_best_is_seldom_ruled_out(rows, images, skewed):
    rng, wrong = np.random.default_rng(0), []
    for _ in range(2000):
        noise = rng.exponential(size=(rows, 1, images)) if skewed else rng.normal(size=(rows, 1, images))
        names = tuple(map(str, range(images)))
        layouts = [Layout((0,), names, one.mean(axis=1)[None], one[None], one, images, True, True) for one in noise]
        wrong.append(rows - len(compare_networks(layouts, list(range(rows))).shortlist))
    share = np.mean(wrong) / rows
    print(f"\n{rows} rows x {images} images{', skewed' * skewed}: a row as good as the best ruled out in {share:.1%}")
    assert share < 0.06
