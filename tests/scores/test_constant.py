"""Trivial predictions: their counts are those of counting masks that hold one class everywhere."""

import numpy as np
import pytest
import torch
from sklearn.metrics import cohen_kappa_score

from segbench.scores.constant import agreement, constant_counts
from segbench.scores.counts import confusion_matrices, counts

NAMES = ("background", "disc", "ring")


def test_counts_are_those_of_masks_of_one_class():
    rng = torch.Generator().manual_seed(0)
    truth, guess = (torch.randint(0, 3, (4, 9, 7), generator=rng) for _ in range(2))
    measured = counts(confusion_matrices(guess, truth, 3)).numpy()
    found = constant_counts(measured, NAMES, exclusive=True)
    assert list(found) == list(NAMES)
    for index, part in enumerate(found.values()):
        expected = counts(confusion_matrices(torch.full_like(truth, index), truth, 3)).numpy()
        assert np.array_equal(part, expected)


def test_classes_that_overlap_are_all_there_or_none():
    found = constant_counts(np.array([[[3, 1, 2, 4], [0, 0, 1, 9]]]), ("a", "b"), exclusive=False)
    assert found["no class"].tolist() == [[[0, 0, 5, 5], [0, 0, 1, 9]]]
    assert found["every class"].tolist() == [[[5, 5, 0, 0], [1, 9, 0, 0]]]


@pytest.mark.parametrize(("truth", "left"), [([10, 0], ["disc"]), ([0, 10], ["background"])])
def test_what_is_right_is_no_trivial_prediction(truth, left):
    right = np.array([[[there, 0, 0, 10 - there] for there in truth]])
    assert list(constant_counts(right, ("background", "disc"), exclusive=True)) == left


def test_agreement_is_the_mean_kappa_of_the_classes_and_nothing_of_trivial_predictions():
    rng = torch.Generator().manual_seed(1)
    truth = torch.randint(0, 3, (4, 9, 7), generator=rng)
    guess = torch.where(torch.rand(truth.shape, generator=rng) < 0.6, truth, 1)
    measured = counts(confusion_matrices(guess, truth, 3)).numpy()
    each = [cohen_kappa_score(truth.ravel() == label, guess.ravel() == label) for label in range(3)]
    assert agreement(measured.sum(axis=0)) == pytest.approx(np.mean(each))
    assert agreement(measured.sum(axis=0)) > 0.3
    for part in constant_counts(measured, NAMES, exclusive=True).values():
        assert agreement(part.sum(axis=0)) == pytest.approx(0)


def test_a_class_that_is_nowhere_or_everywhere_has_no_agreement():
    assert agreement(np.array([[0, 2, 0, 8], [10, 0, 0, 0], [4, 1, 1, 4]])) == pytest.approx(0.6)
    assert np.isnan(agreement(np.array([[0, 2, 0, 8]])))


def test_counts_of_many_large_images_do_not_overflow():
    huge = np.array([[4, 1, 1, 4]]) * 10**11
    assert agreement(huge) == pytest.approx(0.6)
