from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.losses.pixels import compact, random_batch

from segbench.losses import LovaszLoss


def by_level_sets(errors, truth, weight):
    """The extension as an integral: the Jaccard loss of what is wrong by at least t, over all t."""
    inside = (truth * weight).sum()
    levels = sorted({0.0, *errors.tolist()})
    value = 0.0
    for below, level in pairwise(levels):
        wrong = errors >= level
        missed, false = ((wrong * part * weight).sum() for part in (truth, 1 - truth))
        union = inside + false
        value += (level - below) * float(1 - (inside - missed) / union if union else 0.0)
    return value


def expected(logits, target, only_present, weight=None):
    images = []
    weight = torch.ones(target.shape) if weight is None else weight
    for (image, mask), counts in zip(compact(logits, target), weight, strict=True):
        image, mask = image[0, :, :, 0].double(), mask.flatten()
        counts = counts[target[len(images)] != 255].double()
        if len(image) == 1:
            errors = (1 - image[0] * (2 * mask - 1)).clamp(min=0)
            images.append(by_level_sets(errors, mask, counts))
            continue
        classes = [index for index in range(len(image)) if not only_present or (counts * (mask == index)).any()]
        errors = [((mask == index).double() - image.softmax(0)[index]).abs() for index in classes]
        values = [by_level_sets(m, (mask == c).double(), counts) for c, m in zip(classes, errors, strict=True)]
        images.append(sum(values) / len(values))
    return sum(images) / len(images)


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("only_present", [True, False])
def test_it_is_the_integral_over_level_sets(classes, only_present):
    logits, target = random_batch(classes)
    found = LovaszLoss(only_present)(logits, target)
    assert found.item() == pytest.approx(expected(logits, target, only_present), rel=1e-5)


def test_a_weight_is_how_often_a_pixel_is_there():
    logits, target = random_batch(3, seed=1)
    weight = torch.tensor([0.0, 0.5, 1.0, 2.5])[torch.randint(0, 4, target.shape)]
    found = LovaszLoss()(logits, target, weight)
    assert found.item() == pytest.approx(expected(logits, target, True, weight), rel=1e-5)
    twice = torch.full(target.shape, 2.0)
    repeated = torch.cat((logits, logits), dim=3), torch.cat((target, target), dim=2)
    assert LovaszLoss()(logits, target, twice).item() == pytest.approx(LovaszLoss()(*repeated).item(), rel=1e-5)


@given(st.lists(st.integers(0, 2), min_size=6, max_size=6), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_of_sure_predictions_it_is_the_jaccard_loss_of_the_classes_there(predicted, true):
    target, logits = torch.tensor(true).view(1, 2, 3), torch.full((1, 3, 2, 3), -50.0)
    logits.scatter_(1, torch.tensor(predicted).view(1, 1, 2, 3), 50.0)
    losses = []
    for index in set(true):
        a, b = ({i for i, value in enumerate(values) if value == index} for values in (predicted, true))
        losses.append(1 - len(a & b) / len(a | b))
    assert LovaszLoss()(logits, target).item() == pytest.approx(sum(losses) / len(losses), abs=1e-6)


def test_the_gradient_is_the_slope():
    logits, target = random_batch(3, seed=2, size=(3, 4))
    loss = LovaszLoss()
    logits.requires_grad_()
    loss(logits, target).backward()
    step = 1e-2 * torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = loss(logits + step, target) - loss(logits - step, target)
    assert found.item() == pytest.approx(2 * (logits.grad * step).sum().item(), rel=0.02)
