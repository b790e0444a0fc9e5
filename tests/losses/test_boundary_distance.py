import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from tests.losses.pixels import random_batch
from tests.oracles import monai

from segbench.losses import BoundaryLoss, DiceBoundary, DiceLoss


@pytest.mark.parametrize("background", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_value_and_gradient_are_monai_s(background):
    logits, target = random_batch(4, ignored=False)
    ours, others = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    theirs = monai.losses.BoundaryLoss(softmax=True, to_onehot_y=True, include_background=background)
    value, expected = BoundaryLoss(background)(ours, target), theirs(others, target[:, None])
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, others.grad, rtol=1e-4, atol=1e-7)


def test_an_ignored_pixel_is_on_neither_side():
    logits, target = random_batch(1, seed=3, images=1)
    values = []
    for image, mask in zip(logits.sigmoid()[:, 0].numpy(), target.numpy(), strict=True):
        outward, inward = (distance_transform_edt(mask != side) for side in (1, 0))
        phi = np.where(mask == 1, 1 - inward, outward)
        values.append((phi * image)[mask != 255])
    assert BoundaryLoss()(logits, target).item() == pytest.approx(np.concatenate(values).mean(), rel=1e-5)


def test_with_dice_it_is_the_weighted_sum():
    logits, target = random_batch(3)
    expected = 0.3 * BoundaryLoss()(logits, target) + 2 * DiceLoss(0.5)(logits, target)
    found = DiceBoundary(boundary_weight=0.3, dice_weight=2.0, smooth=0.5)(logits, target)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
