import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import DiceLoss as MonaiDice
from sklearn.metrics import log_loss

from segbench.losses import BCEDice, BinaryCrossEntropy, CEDice, CrossEntropy, DiceLoss

LOSSES = {
    "dice1": (DiceLoss(), 1),
    "dice4": (DiceLoss(), 4),
    "dice4 foreground": (DiceLoss(include_background=False), 4),
    "bce": (BinaryCrossEntropy(), 1),
    "ce": (CrossEntropy(), 4),
    "bce_dice": (BCEDice(), 1),
    "ce_dice": (CEDice(), 4),
}


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


# -- what all have in common -----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1e2, 1e4, 3e38])
def test_extreme_logits_give_finite_values_and_gradients(loss_and_k, dtype, size):
    loss, k = loss_and_k
    logits, target = make(k)
    for sign in (-1, 1):
        extreme = (sign * size * logits.detach().sign()).to(dtype).requires_grad_()
        value = loss(extreme, target)
        if size < 1e30:
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


# -- Dice ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([1, 2, 4]), st.booleans(), st.integers(0, 10_000), st.sampled_from([1e-3, 1.0, 7.0]))
def test_dice_is_monai_s_with_the_same_smoothing(k, background, seed, smooth):
    logits, target = make(k, seed, ignored=False)
    ours = DiceLoss(smooth, include_background=background)(logits, target)
    monai = MonaiDice(
        sigmoid=k == 1,
        softmax=k > 1,
        to_onehot_y=k > 1,
        include_background=background or k == 1,
        smooth_nr=smooth,
        smooth_dr=smooth,
    )
    assert ours.item() == pytest.approx(monai(logits, target.unsqueeze(1).float()).item(), rel=1e-5)


def test_dice_by_hand():
    logits = torch.tensor([[[[0.0, 0.0], [math.log(3), math.log(3)]]]])  # p = 1/2, 1/2, 3/4, 3/4
    target = torch.tensor([[[1, 0], [1, 255]]])
    # Pixels that count: p = 1/2, 1/2, 3/4 and t = 1, 0, 1.
    expected = 1 - (2 * (0.5 + 0.75) + 1) / (0.5 + 0.5 + 0.75 + 2 + 1)
    assert DiceLoss()(logits, target).item() == pytest.approx(expected, rel=1e-6)


def test_dice_is_a_mean_over_images_not_over_their_pixels_together():
    logits, target = make(4)
    one_by_one = [DiceLoss()(logits[i : i + 1], target[i : i + 1]) for i in range(3)]
    assert DiceLoss()(logits, target).item() == pytest.approx(torch.stack(one_by_one).mean().item(), rel=1e-6)


def test_an_absent_class_costs_what_is_predicted_of_it():
    logits = torch.full((1, 1, 4, 5), -1.0, requires_grad=True)
    target = torch.zeros(1, 4, 5, dtype=torch.int64)
    loss = DiceLoss(smooth=2.0)(logits, target)
    predicted = 20 * torch.sigmoid(torch.tensor(-1.0)).item()
    assert loss.item() == pytest.approx(predicted / (predicted + 2), rel=1e-6)
    loss.backward()
    assert (logits.grad > 0).all()
    assert DiceLoss()(torch.full((1, 1, 4, 5), -200.0), target) == 0


def test_smoothing_must_be_positive():
    with pytest.raises(ValueError, match="loss.smooth=0"):
        DiceLoss(smooth=0)


# -- cross entropies -----------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_cross_entropies_are_scikit_learn_s_on_the_pixels_that_count(seed):
    for loss, k in ((BinaryCrossEntropy(), 1), (CrossEntropy(), 4)):
        logits, target = make(k, seed)
        counted = target != 255
        probabilities = (
            torch.cat([1 - logits.double().sigmoid(), logits.double().sigmoid()], dim=1)
            if k == 1
            else logits.double().softmax(dim=1)
        )
        chosen = probabilities.detach().movedim(1, -1)[counted].numpy()
        expected = log_loss(target[counted].numpy(), chosen, labels=list(range(max(k, 2))))
        assert loss(logits, target).item() == pytest.approx(expected, rel=1e-5)


def test_the_scale_is_that_of_the_docstring():
    target = torch.zeros(1, 3, 3, dtype=torch.int64)
    assert BinaryCrossEntropy()(torch.zeros(1, 1, 3, 3), target).item() == pytest.approx(math.log(2))
    assert CrossEntropy()(torch.zeros(1, 5, 3, 3), target).item() == pytest.approx(math.log(5))


def test_a_pixel_s_weight_is_a_factor():
    logits, target = make(4, ignored=False)
    weight = torch.rand(target.shape)
    pixels = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    assert CrossEntropy()(logits, target, weight).item() == pytest.approx((pixels * weight).mean().item(), rel=1e-6)


# -- sums and refusals ------------------------------------------------------------------------------------------------


def test_combined_losses_are_weighted_sums():
    logits, target = make(1)
    parts = 0.3 * BinaryCrossEntropy()(logits, target) + 2 * DiceLoss()(logits, target)
    assert BCEDice(bce_weight=0.3, dice_weight=2)(logits, target).item() == pytest.approx(parts.item(), rel=1e-6)
    logits, target = make(4)
    parts = CrossEntropy()(logits, target) + 0.5 * DiceLoss(3.0, include_background=False)(logits, target)
    combined = CEDice(dice_weight=0.5, smooth=3.0, include_background=False)
    assert combined(logits, target).item() == pytest.approx(parts.item(), rel=1e-6)


@pytest.mark.parametrize("weights", [(-1.0, 1.0), (0.0, 0.0)])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        CEDice(*weights)


@pytest.mark.parametrize(
    ("loss", "refused", "mend"),
    [
        (BinaryCrossEntropy(), 4, "use loss=ce"),
        (BCEDice(), 4, "use loss=ce"),
        (CrossEntropy(), 1, "use loss=bce"),
        (CEDice(), 1, "use loss=bce"),
    ],
)
def test_logits_that_a_loss_cannot_serve(loss, refused, mend):
    with pytest.raises(ValueError, match=mend):
        loss.check(refused)
    loss.check(5 - refused if refused == 4 else 4)
    DiceLoss().check(refused)
