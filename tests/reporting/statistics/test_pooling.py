"""Rows that say together how much seeds matter, and those that are left out."""

import numpy as np
import pytest
from simulated import counts

from segbench.reporting.statistics.jackknife import parts
from segbench.reporting.statistics.pooling import OTHER_SEEDS, VARIES_MORE, outlying, pool, together
from segbench.scores import Convention

EVERY = np.ones(4, bool)


def side(spread, seeds=(0, 1, 2), start=0, mean=0.6):
    """The runs of a row by seed."""
    rng = np.random.default_rng(start)
    drawn = {seed: mean + spread * rng.normal() + 0.01 * rng.normal(size=20) for seed in seeds}
    return {seed: [parts(counts(scores), "dice", Convention())] for seed, scores in drawn.items()}


def test_rows_alike_give_the_mean_square_of_row_and_seed():
    scores = np.random.default_rng(0).normal(size=(4, 6))
    square, own, freedom = together(scores, EVERY)
    residual = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
    squares = (residual**2).sum(axis=1)
    share = squares / squares.sum()
    # By hand: mean square, the contraharmonic mean's factor, the degrees of freedom of Geisser and Greenhouse.
    plain = 2 * squares.sum() / (3 * 5) / 6
    assert square == pytest.approx(plain * (share**2).sum() * (4 * 5 + 2) / 7)
    assert freedom == pytest.approx(3 * 5 / (4 * (share**2).sum()))
    assert own == pytest.approx(squares / 5 * 4 / 3 / 6)
    assert 5 <= freedom <= 15


@pytest.mark.parametrize(("rows", "near"), [(4, 0.08), (12, 0.02)])
def test_the_expected_square_is_that_of_rows_alike(rows, near):
    """But for the correlation of residuals, which the factor does not know: a few per cent of few rows."""
    scores = np.random.default_rng(1).normal(size=(20_000, rows, 3))
    square, own, _ = together(scores, np.ones((20_000, rows), bool))
    assert square.mean() == pytest.approx(2 / 3, rel=near)
    assert own.mean(axis=0) == pytest.approx(1 / 3, rel=0.05)


def test_what_a_seed_does_to_all_rows_is_taken_off():
    scores = np.random.default_rng(2).normal(size=(4, 3))
    moved = scores + np.array([5.0, -3.0, 0.0])
    for found, expected in zip(together(moved, EVERY), together(scores, EVERY), strict=True):
        assert found == pytest.approx(expected)
    assert (outlying(moved) == outlying(scores)).all()


@pytest.mark.parametrize(("rows", "seeds"), [(3, 3), (7, 3), (5, 10)])
def test_of_rows_alike_each_leaves_in_5_percent(rows, seeds):
    scores = np.random.default_rng(3).normal(size=(4000, rows, seeds))
    assert outlying(scores).mean(axis=0) == pytest.approx(0.05, abs=0.012)


def test_a_row_that_varies_more_is_named():
    sides = [*(side(0.005, start=start) for start in range(4)), side(0.2, start=9)]
    found = pool([2, 3, 5, 8, 9], sides)
    assert found.left == {9: VARIES_MORE}
    assert set(found.own) == {2, 3, 5, 8}
    assert found.between(2, 9) is None
    assert found.between(2, 3).own == pytest.approx(found.own[2] + found.own[3])
    assert found.seeds == (0, 1, 2)


def test_a_row_with_other_seeds_is_named():
    sides = [*(side(0.01, start=start) for start in range(3)), side(0.01, (0, 1), 5)]
    found = pool([0, 1, 2, 3], sides)
    assert found.left == {3: OTHER_SEEDS}
    assert len(found.own) == 3


@pytest.mark.parametrize(
    "sides",
    [
        [],
        [side(0.01), side(0.01, start=1)],
        [side(0.01, (0, 1), start) for start in range(5)],
        [side(0.01, (0, 1, number), number) for number in range(2, 6)],
    ],
    ids=["nothing", "two rows", "two seeds", "seeds of their own"],
)
def test_too_little_is_shared_by_none(sides):
    assert not pool(range(len(sides)), sides).own


def test_identical_rows_share_nothing_that_varies():
    found = pool([0, 1, 2], [side(0.0)] * 3)
    assert found.square == 0
