"""What all losses promise alike."""

import pytest
import torch

from segbench.losses import (
    BCEDice,
    BinaryCrossEntropy,
    BoundaryLoss,
    CEDice,
    CLDiceLoss,
    CrossEntropy,
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
    WeightedCEDice,
    WeightedCrossEntropy,
)

LOSSES = {
    "dice1": (DiceLoss(), 1),
    "dice4": (DiceLoss(), 4),
    "dice4 foreground": (DiceLoss(include_background=False), 4),
    "bce": (BinaryCrossEntropy(), 1),
    "ce": (CrossEntropy(), 4),
    "bce_dice": (BCEDice(), 1),
    "ce_dice": (CEDice(), 4),
    "weighted_ce": (WeightedCrossEntropy(), 4),
    "weighted_ce_dice": (WeightedCEDice(), 4),
    "focal1": (FocalLoss(), 1),
    "focal4": (FocalLoss(alpha=[0.25, 1.0, 1.0, 2.0]), 4),
    "dice_focal": (DiceFocal(gamma=0.5), 4),
    "tversky1": (TverskyLoss(), 1),
    "tversky4": (TverskyLoss(include_background=False), 4),
    "focal_tversky1": (FocalTverskyLoss(), 1),
    "focal_tversky4": (FocalTverskyLoss(gamma=0.5), 4),
    "generalised_dice1": (GeneralisedDiceLoss(), 1),
    "generalised_dice4": (GeneralisedDiceLoss(), 4),
    "lovasz1": (LovaszLoss(), 1),
    "lovasz4": (LovaszLoss(), 4),
    "lovasz4 all": (LovaszLoss(only_present=False), 4),
    "boundary1": (BoundaryLoss(), 1),
    "boundary4": (BoundaryLoss(include_background=True), 4),
    "dice_boundary": (DiceBoundary(), 4),
    "cldice1": (CLDiceLoss(), 1),
    "cldice4": (CLDiceLoss(alpha=1.0), 4),
    "smoothed_ce1": (SmoothedCrossEntropy(), 1),
    "smoothed_ce4": (SmoothedCrossEntropy(class_weights=[0.5, 1.0, 1.0, 2.0]), 4),
    "ohem_ce1": (OHEMCrossEntropy(), 1),
    "ohem_ce4": (OHEMCrossEntropy(threshold=0.2, kept=0.3), 4),
}
for _loss, _ in LOSSES.values():
    _loss.prepare(torch.tensor([900_000, 30_000, 20_000, 10_000]))


@pytest.fixture(params=LOSSES)
def loss_and_k(request):
    return LOSSES[request.param]


def make(k, seed=0, ignored=True):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, k, 9, 7, generator=generator, requires_grad=True)
    target = torch.randint(0, max(k, 2), (3, 9, 7), generator=generator)
    if ignored:
        target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits, target


def test_ignored_pixels_count_nowhere(loss_and_k):
    loss, k = loss_and_k
    logits, target = make(k)
    before = target.clone()
    value = loss(logits, target)
    value.backward()
    assert torch.equal(target, before)
    ignored = (target == 255).unsqueeze(1).expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).any()
    changed = logits.detach().clone()
    changed[ignored] = 1e4
    assert loss(changed, target) == value


def test_an_image_that_is_ignored_entirely_gives_zero_and_no_gradient(loss_and_k):
    loss, k = loss_and_k
    logits, target = make(k)
    value = loss(logits, torch.full_like(target, 255))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e36])
def test_extreme_logits_give_finite_values_and_gradients(loss_and_k, dtype, size):
    loss, k = loss_and_k
    logits, target = make(k)
    for sign in (-1, 1):
        extreme = (sign * size * logits.detach().sign()).to(dtype).requires_grad_()
        value = loss(extreme, target)
        assert torch.isfinite(value)
        value.backward()
        assert torch.isfinite(extreme.grad).all()


def test_autocast_changes_nothing(loss_and_k):
    loss, k = loss_and_k
    logits, target = make(k)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(logits, target)
    assert value.dtype == torch.float32
    assert value == loss(logits, target)


def test_weights_of_one_change_nothing_and_weights_of_zero_silence_a_pixel(loss_and_k):
    loss, k = loss_and_k
    logits, target = make(k)
    ones = torch.ones(target.shape)
    assert loss(logits, target, ones).item() == pytest.approx(loss(logits, target).item(), rel=1e-6)
    weight = ones.clone()
    weight[:, 2] = 0
    value = loss(logits, target, weight)
    value.backward()
    assert (logits.grad[:, :, 2] == 0).all()
