import pytest
import torch
from tests.losses.pixels import random_batch
from torch.nn import functional

from segbench.losses import CrossEntropy, SmoothedCrossEntropy

WEIGHTS = {1: [0.5, 2.0], 4: [0.5, 1.0, 3.0, 2.0]}


def by_hand(logits, target, smoothing, weights):
    """The sum over classes of weight, smoothed truth and log p, over the pixels that count, in float64."""
    logits = logits.double()
    logits = torch.cat((torch.zeros_like(logits), logits), 1) if logits.shape[1] == 1 else logits
    classes, counted = logits.shape[1], target != 255
    log_p = logits.log_softmax(1).movedim(1, -1)[counted]
    truth = functional.one_hot(target[counted], classes) * (1 - smoothing) + smoothing / classes
    return -(torch.tensor(weights, dtype=torch.float64) * truth * log_p).sum(-1).mean()


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("weighted", [True, False])
def test_it_is_the_sum_over_classes(classes, smoothing, weighted):
    logits, target = random_batch(classes)
    weights = WEIGHTS[classes] if weighted else [1.0] * len(WEIGHTS[classes])
    loss = SmoothedCrossEntropy(smoothing, weights if weighted else 1.0)
    loss.check(classes)
    assert loss(logits, target).item() == pytest.approx(by_hand(logits, target, smoothing, weights).item(), rel=1e-5)


def test_images_with_a_label_each_are_classified():
    logits, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.arange(5) % 3
    assert SmoothedCrossEntropy(0.0)(logits, labels).item() == pytest.approx(CrossEntropy()(logits, labels).item())
    expected = functional.cross_entropy(logits, labels, label_smoothing=0.2)
    assert SmoothedCrossEntropy(0.2)(logits, labels).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match=f"loss.smoothing={smoothing}: must be at least 0 and below 1"):
        SmoothedCrossEntropy(smoothing)


def test_weights_that_do_not_fit_the_classes_are_refused():
    with pytest.raises(ValueError, match="loss.class_weights: 3 factors for 2 classes"):
        SmoothedCrossEntropy(class_weights=[1, 2, 3]).check(1)
    with pytest.raises(ValueError, match=r"loss.class_weights=.* at least 0 and finite"):
        SmoothedCrossEntropy(class_weights=[1.0, -1.0])
