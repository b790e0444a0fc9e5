"""Declared scores, by hand: quotients of sums, their means, and what nothing to score is worth."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.scores.columns import ColumnScore, Ratio, Region, with_columns
from segbench.scores.convention import Convention

BOTH = (Ratio({"a": 1}, {"b": 1}), Ratio({"c": 1}, {"d": 1}))
MEAN = ColumnScore("mean", "mean", BOTH)
HARMONIC = ColumnScore("f", "F", BOTH, mean="harmonic")
DISTANCE = ColumnScore("distance", "distance", BOTH, lower_is_better=True, unit="px")


def test_columns_are_named_once_in_their_order():
    score = ColumnScore("f1", "F1", (Ratio({"tp": 2}, {"tp": 2, "fp": 1, "fn": 1}),))
    assert score.columns == ("tp", "fp", "fn")
    assert score.score(np.array([3.0, 1.0, 2.0])) == 6 / 9


@pytest.mark.parametrize(
    ("terms", "mean", "harmonic"),
    [
        ((1, 2, 3, 4), 0.625, 2 / (2 + 4 / 3)),
        ((0, 2, 3, 4), 0.375, 0),
        ((1, 0, 3, 4), 0.75, math.nan),
        ((1, 0, 3, 0), math.nan, math.nan),
        # Whatever the unknown one is, the harmonic mean with a 0 is 0.
        ((0, 0, 0, 4), 0, 0),
        ((0, 2, 0, 0), 0, 0),
    ],
)
def test_means_of_two_ratios(terms, mean, harmonic):
    terms = np.array(terms, float)
    assert float(MEAN.score(terms)) == pytest.approx(mean, nan_ok=True)
    assert float(HARMONIC.score(terms)) == pytest.approx(harmonic, nan_ok=True)


@given(st.lists(st.floats(0.1, 10), min_size=4, max_size=4))
def test_the_harmonic_mean_is_f1_of_its_ratios(terms):
    precision, recall = terms[0] / terms[1], terms[2] / terms[3]
    expected = 2 * precision * recall / (precision + recall)
    assert float(HARMONIC.score(np.array(terms))) == pytest.approx(expected)


@pytest.mark.parametrize(("reduction", "empty"), itertools.product(("per_image", "pooled"), ("nan", "one", "zero")))
def test_what_nothing_to_score_is_worth(reduction, empty):
    convention = Convention(reduction, empty=empty)
    terms = np.array([[0.0, 0, 0, 0], [np.nan] * 4, [1, 2, 1, 2]])
    share, distance = MEAN.filled(terms, convention), DISTANCE.filled(terms, convention)
    assert share[0] == pytest.approx({"nan": math.nan, "one": 1, "zero": 0}[empty], nan_ok=True)
    assert distance[0] == pytest.approx({"nan": math.nan, "one": 0, "zero": math.nan}[empty], nan_ok=True)
    # Not scored is not empty.
    assert np.isnan([share[1], distance[1]]).all()
    assert share[2] == distance[2] == 0.5


@pytest.mark.parametrize(("reduction", "empty"), itertools.product(("per_image", "pooled"), ("nan", "one", "zero")))
def test_what_is_left_out_on_purpose_is_not_nothing(reduction, empty):
    convention = Convention(reduction, empty=empty)
    terms = np.array([[0.0, 0, 0, 0, 1], [1, 2, 1, 2, 0]])
    for lower in (False, True):
        score = ColumnScore("x", "x", BOTH, lower_is_better=lower, left_out="skipped")
        assert score.columns == ("a", "b", "c", "d", "skipped")
        assert np.isnan(score.filled(terms[0], convention))
        # Beside others it counts nowhere.
        assert score.filled(terms.sum(axis=0), convention) == 0.5


def test_the_diagonal_of_images_and_volumes():
    cases = (((4, 5), (1, 1), 5), ((4, 5), (2.0, 0.5), 40**0.5), ((3, 4, 5), (8, 1, 1), 281**0.5))
    for shape, spacing, expected in cases:
        mask = np.zeros(shape, bool)
        assert Region(mask, mask, mask, spacing).diagonal == pytest.approx(expected)


def test_scores_whose_columns_are_there():
    assert with_columns((MEAN, ColumnScore("x", "x", (Ratio({"x": 1}, {"b": 1}),))), {"a", "b", "c", "d"}) == (MEAN,)


@pytest.mark.parametrize(
    "wrong", [{"name": "HD 95"}, {"title": ""}, {"ratios": ()}, {"mean": "median"}, {"left_out": "a b"}]
)
def test_a_declaration_that_says_nothing_sensible_is_refused_where_it_is_written(wrong):
    with pytest.raises(ValueError, match="name|title|ratios|mean|left_out"):
        ColumnScore(**({"name": "x", "title": "x", "ratios": BOTH} | wrong))
