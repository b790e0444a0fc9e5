"""How often the test calls equally good learners different, where folds share training images: docs/statistics.md.

Two learners of one kind see two halves of the features, which have the same distribution and the same relation to the
truth: whatever is trained on, they are equally good in expectation. What they learn from few images varies, so networks
of folds that share training images err alike: the effect that the correction is for.
"""

import numpy as np
import pytest

from segbench.reporting.statistics.intervals import p_value

FEATURES = 12
KEPT = 10
ALPHA = 0.05


def nearest_mean(train, truth, test):
    """Right or wrong by the nearer of two class means."""
    first, second = train[truth > 0].mean(0), train[truth <= 0].mean(0)
    return (test - (first + second) / 2) @ (first - second)


def ridge(train, truth, test):
    """Predictions of a ridge regression."""
    return test @ np.linalg.solve(train.T @ train + np.eye(train.shape[1]), train.T @ truth)


def stump(train, truth, test):
    """Predictions from the one feature that fits best: unstable, as few images decide which it is."""
    best = np.argmax(np.abs(train.T @ truth) / np.linalg.norm(train, axis=0))
    chosen = train[:, best]
    return test[:, best] * (chosen @ truth) / (chosen @ chosen)


def scores(learner, features, truth, fold_of, folds, kept):
    """Return whether each image is predicted right, by seed (S,N), each by the learner of its fold."""
    found = np.empty((len(kept), len(truth)))
    for seed, chosen in enumerate(kept):
        for fold in range(folds):
            tested = fold_of == fold
            predicted = learner(features[~tested][:, chosen], truth[~tested], features[tested][:, chosen])
            found[seed, tested] = (predicted > 0) == (truth[tested] > 0)
    return found


def rejected(learner, images, folds, seeds, experiments):
    """Return how often three tests reject at 5 %: of folds, corrected; of folds and of images as if independent."""
    chance = np.random.default_rng(0)
    tables = {"corrected": [], "folds": [], "images": []}
    for _ in range(experiments):
        relation = chance.normal(size=FEATURES)
        sides = chance.normal(size=(2, images, FEATURES))
        truth = sides.sum(axis=0) @ relation + chance.normal(size=images)
        fold_of = chance.permutation(images) % folds
        kept = [[chance.permutation(FEATURES)[:KEPT] for _ in range(seeds)] for _ in sides]
        both = [scores(learner, side, truth, fold_of, folds, own) for side, own in zip(sides, kept, strict=True)]
        table = both[0] - both[1]
        by_fold = np.stack([table[:, fold_of == fold].mean(axis=1) for fold in range(folds)], axis=1)
        for key, drawn in zip(tables, (by_fold, by_fold, table), strict=True):
            tables[key].append(drawn)
    found = {}
    for key, drawn in tables.items():
        table, overlap = np.stack(drawn), 1 / (folds - 1) if key == "corrected" else 0.0
        found[key] = float((p_value(table.mean(axis=(1, 2)), table, overlap) < ALPHA).mean())
    return found


DESIGNS = [(5, 3), (10, 3), (5, 10), (10, 10)]
EXPERIMENTS = 1000
# Three standard errors of a rate of 5 %.
SLACK = 3 * (ALPHA * (1 - ALPHA) / EXPERIMENTS) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("learner", [stump, nearest_mean, ridge])
@pytest.mark.parametrize(("folds", "seeds"), DESIGNS)
def test_the_corrected_test_keeps_its_level_and_the_others_do_not(learner, folds, seeds, capsys):
    found = rejected(learner, 60, folds, seeds, EXPERIMENTS)
    with capsys.disabled():
        rates = ", ".join(f"{key} {rate:.1%}" for key, rate in found.items())
        print(f"\n{learner.__name__}, 60 images, {folds} folds, {seeds} seeds: {rates}")
    assert found["corrected"] <= ALPHA + SLACK
    assert found["corrected"] < min(found["folds"], found["images"])
    if seeds == 10 and learner is not ridge:
        # Three seeds widen every interval; ten leave nothing to hide behind.
        assert min(found["folds"], found["images"]) > ALPHA + SLACK
