"""Scores of classified images against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from segbench.scores.labels import LABEL_CONVENTION, confusion_counts, label_confusion, label_counts, label_scores


@pytest.fixture
def labels() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, 200)
    return truth, np.where(rng.random(200) < 0.7, truth, rng.integers(0, 4, 200))


def test_scores_are_those_of_scikit_learn(labels: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = labels
    found = label_scores(truth, prediction, ("a", "b", "c", "d"))
    assert found["accuracy"] == accuracy_score(truth, prediction)
    assert found["f1"] == pytest.approx(f1_score(truth, prediction, average="macro"), rel=1e-12)
    each = f1_score(truth, prediction, average=None)
    assert [found[f"f1_{name}"] for name in "abcd"] == pytest.approx(each.tolist(), rel=1e-12)


def test_a_class_neither_there_nor_predicted_is_left_out_of_the_mean() -> None:
    found = label_scores(np.array([0, 1, 1]), np.array([0, 1, 0]), ("a", "b", "never"))
    assert np.isnan(found["f1_never"])
    assert found["f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_confusion_is_that_of_scikit_learn_also_of_small_integers(labels: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = labels
    expected = confusion_matrix(truth, prediction)
    assert np.array_equal(label_confusion(truth.astype(np.uint8), prediction.astype(np.uint8), 4), expected)
    # 200 classes: cells beyond what uint8 holds.
    wide = label_confusion(np.array([199], np.uint8), np.array([198], np.uint8), 200)
    assert wide[199, 198] == 1


def test_counts_of_the_confusion_are_the_sums_of_the_images(labels: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = labels
    each = label_counts(truth, prediction, 4)
    assert (each.sum(axis=2) == 1).all()
    assert np.array_equal(confusion_counts(label_confusion(truth, prediction, 4)), each.sum(axis=0))


def test_convention_speaks_of_images_only() -> None:
    words = LABEL_CONVENTION.describe()
    assert "images" in words
    assert not {"background", "255", "pixel"} & set(words.replace(";", "").split())
