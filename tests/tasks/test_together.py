"""Several networks in place of one: logits of the mean of their probabilities."""

import numpy as np
import pytest
import torch
from torch import nn

from segbench.tasks import ClassificationTask, MultilabelTask, SegmentationTask
from segbench.tasks.together import Together


class Answers(nn.Module):
    """Always the same logits."""

    def __init__(self, logits, kind):
        super().__init__()
        self.found, self.probabilities, self.logits = logits, kind.probabilities, kind.logits

    def forward(self, image):
        return self.found


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "outputs", "oracle"),
    [
        (SegmentationTask, 1, sigmoid),
        (SegmentationTask, 3, softmax),
        (MultilabelTask, 3, sigmoid),
        (ClassificationTask, 4, softmax),
    ],
)
def test_the_probabilities_are_the_mean_of_the_members(kind, outputs, oracle):
    generator = torch.Generator().manual_seed(3)
    shape = (2, outputs) if kind is ClassificationTask else (2, outputs, 5, 4)
    each = [3 * torch.randn(shape, generator=generator) for _ in range(3)]
    found = Together([Answers(logits, kind) for logits in each])(torch.zeros(1))
    assert found.shape == shape
    expected = np.mean([oracle(logits.double().numpy()) for logits in each], axis=0)
    np.testing.assert_allclose(oracle(found.double().numpy()), expected, atol=1e-6)


@pytest.mark.parametrize(("kind", "outputs"), [(SegmentationTask, 1), (SegmentationTask, 2), (MultilabelTask, 2)])
def test_certainty_stays_finite_and_on_its_side(kind, outputs):
    sure = torch.full((1, outputs, 1, 1), 200.0)
    sure[:, 1:] = -200
    found = Together([Answers(sure, kind), Answers(sure, kind)])(torch.zeros(1))
    assert torch.isfinite(found).all()
    assert torch.equal(kind.predict_classes(found), kind.predict_classes(sure))
