"""Losses of classes that overlap: each class of each image by itself, against torch's and MONAI's sigmoid forms."""

import pytest
import torch
from tests.oracles import monai
from torch.nn import functional

from segbench.losses import (
    BCEDice,
    BinaryCrossEntropy,
    BoundaryLoss,
    CLDiceLoss,
    DiceBoundary,
    DiceFocal,
    DiceLoss,
    FocalLoss,
    FocalTverskyLoss,
    GeneralisedDiceLoss,
    LovaszLoss,
    OHEMCrossEntropy,
    SmoothedCrossEntropy,
    TverskyLoss,
)

CLASSES = 3


def example(seed, ignored=False):
    """Logits and truth (B,K,H,W) in which a pixel may have several classes or none."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, CLASSES, 6, 5, generator=generator)
    target = torch.randint(0, 2, logits.shape, generator=generator)
    target[0, 1] = 0  # absent
    if ignored:
        target[(torch.rand(2, 1, 6, 5, generator=generator) < 0.25).expand_as(target)] = 255
    return logits, target


LOSSES = {
    "bce": BinaryCrossEntropy(),
    "dice": DiceLoss(smooth=0.5),
    "bce_dice": BCEDice(bce_weight=0.5),
    "focal": FocalLoss(gamma=1.5),
    "dice_focal": DiceFocal(gamma=0.5, dice_weight=2.0),
    "tversky": TverskyLoss(smooth=0.5),
    "boundary": BoundaryLoss(),
    "dice_boundary": DiceBoundary(boundary_weight=0.2, smooth=0.5),
}
# Compared with other implementations in files of their own.
OTHERS = {
    "focal_tversky": FocalTverskyLoss(),
    "generalised_dice": GeneralisedDiceLoss(),
    "lovasz": LovaszLoss(),
    "cldice": CLDiceLoss(),
    "smoothed_ce": SmoothedCrossEntropy(class_weights=[0.5, 2.0]),
}
EVERY = LOSSES | OTHERS
# The mean of it is over pixels of all images and classes together.
POOLED = {"ohem_ce": OHEMCrossEntropy(threshold=0.5)}
DICE = {"sigmoid": True, "smooth_nr": 0.5, "smooth_dr": 0.5}
# The same by others.
THEIRS = {
    "bce": lambda logits, truth: functional.binary_cross_entropy_with_logits(logits, truth),
    "dice": lambda *pair: monai.losses.DiceLoss(**DICE)(*pair),
    "bce_dice": lambda logits, truth: (
        0.5 * functional.binary_cross_entropy_with_logits(logits, truth)
        + monai.losses.DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)(logits, truth)
    ),
    "focal": lambda *pair: monai.losses.FocalLoss(gamma=1.5)(*pair),
    "dice_focal": lambda *pair: monai.losses.DiceFocalLoss(
        sigmoid=True, smooth_nr=1.0, smooth_dr=1.0, gamma=0.5, lambda_dice=2.0, lambda_focal=1.0
    )(*pair),
    "tversky": lambda *pair: monai.losses.TverskyLoss(alpha=0.3, beta=0.7, **DICE)(*pair),
    "boundary": lambda *pair: monai.losses.BoundaryLoss(sigmoid=True)(*pair),
    "dice_boundary": lambda logits, truth: (
        0.2 * monai.losses.BoundaryLoss(sigmoid=True)(logits, truth) + monai.losses.DiceLoss(**DICE)(logits, truth)
    ),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradient_are_those_of_other_implementations(name, seed):
    logits, target = example(seed)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value, expected = LOSSES[name](ours, target), THEIRS[name](theirs, target.float())
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", EVERY)
def test_each_class_of_each_image_is_an_image_of_one_class(name):
    logits, target = example(3)
    each = [EVERY[name](logits[b, k][None, None], target[b, k][None]) for b in range(2) for k in range(CLASSES)]
    assert EVERY[name](logits, target).item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)


@pytest.mark.parametrize("name", EVERY | POOLED)
def test_ignored_pixels_count_in_no_class(name):
    logits, target = example(4, ignored=True)
    ignored = target == 255
    value = (EVERY | POOLED)[name](logits.requires_grad_(), target)
    value.backward()
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).any()
    assert (EVERY | POOLED)[name](logits.detach().masked_fill(ignored, 1e4), target) == value


@pytest.mark.parametrize("name", EVERY | POOLED)
def test_a_weight_is_one_of_the_pixel_in_every_class(name):
    logits, target = example(5)
    weight = torch.ones(2, 6, 5)
    assert (EVERY | POOLED)[name](logits, target, weight).item() == pytest.approx(
        (EVERY | POOLED)[name](logits, target).item(), rel=1e-6
    )
    weight[:, 2] = 0
    value = (EVERY | POOLED)[name](logits.requires_grad_(), target, weight)
    value.backward()
    assert (logits.grad[:, :, 2] == 0).all()
    assert (logits.grad[:, :, 3] != 0).any()


def test_two_factors_are_of_where_a_class_is_not_and_where_it_is():
    logits, target = example(6)
    parts = functional.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
    expected = (torch.where(target == 1, 3.0, 0.5) * parts).mean()
    assert FocalLoss(gamma=0, alpha=[0.5, 3.0])(logits, target).item() == pytest.approx(expected.item(), rel=1e-5)
