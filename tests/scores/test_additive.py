"""Sums over images: the score of the rest of a set is that of the total less a part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.scores.additive import mean_over_images, pooled
from segbench.scores.derive import SCORES


def table(seed, images=7, classes=3):
    counts = np.random.default_rng(seed).integers(0, 5, (images, classes, 4))
    counts[::3, 0] = 0
    return counts


@given(st.integers(0, 1000), st.integers(0, 6))
def test_a_mean_over_images_without_one(seed, image):
    scores = SCORES["dice"](table(seed))
    found = mean_over_images(scores)
    by_hand = np.nanmean(np.nanmean(scores, axis=0))
    assert found.total == pytest.approx(by_hand)
    rest = np.delete(scores, image, axis=0)
    with np.errstate(invalid="ignore"):
        present = np.isfinite(rest).any(axis=0)
    expected = np.mean([np.nanmean(rest[:, index]) for index in np.flatnonzero(present)])
    assert found.of(found.terms.sum(axis=0) - found.terms[image]) == pytest.approx(expected)


@given(st.integers(0, 1000), st.integers(0, 6))
def test_pooled_counts_without_one(seed, image):
    counts = table(seed)
    found = pooled(counts, SCORES["iou"])
    rest = np.delete(counts, image, axis=0)
    expected = np.nanmean(SCORES["iou"](rest.sum(axis=0)))
    assert found.of(found.terms.sum(axis=0) - found.terms[image]) == pytest.approx(expected)
    assert found.of(found.terms).shape == (7,)


def test_nothing_to_score_is_no_number():
    assert np.isnan(mean_over_images(np.full((3, 2), np.nan)).total)
    assert np.isnan(pooled(np.zeros((3, 2, 4), int), SCORES["dice"]).total)
