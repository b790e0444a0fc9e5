"""The classification task: scores against scikit-learn, the stored rows, and the loss."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from torch import nn
from torch.nn import functional

from segbench.losses import CrossEntropy
from segbench.scores.labels import label_counts, label_scores
from segbench.tasks import ClassificationTask

NAMES = ("a", "b", "c")
labels = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30)


@given(labels)
def test_scores_are_those_of_scikit_learn(pairs):
    truth, prediction = np.array(pairs).T
    found = label_scores(truth, prediction, NAMES)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, prediction))
    there = np.union1d(truth, prediction)
    assert found["f1"] == pytest.approx(metrics.f1_score(truth, prediction, labels=there, average="macro"))
    each = metrics.f1_score(truth, prediction, labels=range(3), average=None, zero_division=np.nan)
    np.testing.assert_allclose([found[f"f1_{name}"] for name in NAMES], each)


@given(labels)
def test_each_image_counts_once_for_each_class(pairs):
    truth, prediction = np.array(pairs).T
    counts = label_counts(truth, prediction, 3)
    assert (counts.sum(axis=2) == 1).all()
    np.testing.assert_array_equal(counts.sum(axis=0)[:, 0], np.bincount(truth[truth == prediction], minlength=3))
    np.testing.assert_array_equal(counts.sum(axis=0)[:, [0, 2]].sum(axis=1), np.bincount(truth, minlength=3))


class Linear(nn.Module):
    task = "classification"

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, image):
        return self.layer(image.flatten(1))


@pytest.fixture
def task():
    torch.manual_seed(0)
    return ClassificationTask(Linear(), CrossEntropy(), torch.optim.SGD, None, NAMES)


def batch_of(images, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "image": torch.randn(images, 1, 2, 2, generator=generator),
        "label": torch.randint(0, 3, (images,), generator=generator),
        "id": [f"{seed}-{index}" for index in range(images)],
    }


def test_the_loss_is_pytorchs_cross_entropy(task):
    batch = batch_of(7)
    expected = functional.cross_entropy(task.network(batch["image"]), batch["label"])
    torch.testing.assert_close(task.batch_loss(batch), expected)


def test_rows_hold_truth_prediction_and_probability_of_each_image(task, tmp_path):
    table, batches = task.new_table(), [batch_of(5), batch_of(3, seed=1)]
    with torch.no_grad():
        for batch in batches:
            task.evaluate(batch, table)
        probabilities = torch.cat([task.network(batch["image"]) for batch in batches]).softmax(dim=1).numpy()
    ids = [name for batch in batches for name in batch["id"]]
    table.frame("test", NAMES, {name: f"group {name}" for name in ids}).to_parquet(tmp_path / "scores.parquet")
    rows = pd.read_parquet(tmp_path / "scores.parquet")
    assert list(rows["id"]) == ids
    assert list(rows["group"]) == [f"group {name}" for name in ids]
    assert set(rows["split"]) == {"test"}
    for column in ("truth", "prediction"):
        assert list(rows[column].cat.categories) == list(NAMES)
    assert list(rows["truth"]) == [NAMES[label] for batch in batches for label in batch["label"]]
    assert list(rows["prediction"]) == [NAMES[index] for index in probabilities.argmax(axis=1)]
    np.testing.assert_allclose(rows["probability"], probabilities.max(axis=1), rtol=1e-6)
    means = [functional.cross_entropy(task.network(batch["image"]), batch["label"]).item() for batch in batches]
    assert table.mean_loss == pytest.approx((5 * means[0] + 3 * means[1]) / 8)


def test_what_is_logged_is_what_can_be_monitored(task):
    table = task.new_table()
    with torch.no_grad():
        task.evaluate(batch_of(6), table)
    assert sorted(task.validation_scores(table)) == sorted(task.metric_names(NAMES))
