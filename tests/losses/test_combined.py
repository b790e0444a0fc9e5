import inspect
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from segbench.losses import BCEDice, BinaryCrossEntropy, CEDice, CrossEntropy, DiceLoss, SegmentationLoss

factors = st.sampled_from([0.0, 0.25, 1.0, 3.0])


def example(k, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, k, 6, 5, generator=generator)
    target = torch.randint(0, max(k, 2), (3, 6, 5), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.25] = 255
    target[0, 0, 0] = 255
    weight = 2 * torch.rand(target.shape, generator=generator)
    return logits, target, weight


@pytest.fixture(params=[(BCEDice, 1), (CEDice, 4)], ids=["bce_dice", "ce_dice"])
def loss_and_k(request):
    kind, k = request.param
    return kind(), k


def value_and_gradient(loss, logits, *others):
    logits = logits.clone().requires_grad_()
    value = loss(logits, *others)
    value.backward()
    return value.item(), logits.grad


def assert_is_sum(combined, parts, logits, *others):
    value, gradient = value_and_gradient(combined, logits, *others)
    each = [(factor, *value_and_gradient(part, logits, *others)) for factor, part in parts]
    assert value == pytest.approx(sum(factor * v for factor, v, _ in each), rel=1e-5, abs=1e-7)
    torch.testing.assert_close(gradient, sum(factor * g for factor, _, g in each), rtol=1e-4, atol=1e-7)


@examples(20)
@given(factors, factors, st.sampled_from([0.5, 4.0]), st.booleans(), st.integers(0, 10_000))
def test_binary_value_and_gradient_are_the_weighted_sum(first, second, smooth, weighted, seed):
    if first + second == 0:
        return
    logits, target, weight = example(1, seed)
    combined = BCEDice(bce_weight=first, dice_weight=second, smooth=smooth)
    parts = [(first, BinaryCrossEntropy()), (second, DiceLoss(smooth))]
    assert_is_sum(combined, parts, logits, target, weight if weighted else None)


@examples(20)
@given(factors, factors, st.sampled_from([0.5, 4.0]), st.booleans(), st.booleans(), st.integers(0, 10_000))
def test_softmax_value_and_gradient_are_the_weighted_sum(first, second, smooth, background, weighted, seed):
    if first + second == 0:
        return
    logits, target, weight = example(4, seed)
    combined = CEDice(ce_weight=first, dice_weight=second, smooth=smooth, include_background=background)
    parts = [(first, CrossEntropy()), (second, DiceLoss(smooth, background))]
    assert_is_sum(combined, parts, logits, target, weight if weighted else None)


def test_without_arguments_both_parts_weigh_one_and_the_rest_is_dice_s():
    for kind in (BCEDice, CEDice):
        defaults = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
        assert set(defaults) >= {"dice_weight", "smooth"}
        assert all(value == 1.0 for name, value in defaults.items() if name.endswith("_weight"))
        dice = {name: p.default for name, p in inspect.signature(DiceLoss).parameters.items()}
        assert all(defaults[name] == value for name, value in dice.items() if name in defaults)


def test_by_hand():
    # p = 3/4 where t = 1: cross entropy ln 4/3, Dice loss 1 - (3/2 + 1) / (3/4 + 1 + 1) = 1/11.
    logits, target = torch.full((1, 1, 1, 1), math.log(3)), torch.ones(1, 1, 1, dtype=torch.int64)
    expected = 2 * math.log(4 / 3) + 3 / 11
    assert BCEDice(2.0, 3.0)(logits, target).item() == pytest.approx(expected, rel=1e-6)
    two = torch.cat([torch.zeros_like(logits), logits], dim=1)
    # Background: absent, p = 1/4, so 1/4 / (1/4 + 1) = 1/5; the mean of both classes is 8/55.
    expected = 2 * math.log(4 / 3) + 3 * 8 / 55
    assert CEDice(2.0, 3.0)(two, target).item() == pytest.approx(expected, rel=1e-6)


def test_ignored_pixels_count_in_neither_part(loss_and_k):
    loss, k = loss_and_k
    logits, target, _ = example(k)
    before = target.clone()
    ignored = (target == 255).unsqueeze(1).expand_as(logits)
    value, gradient = value_and_gradient(loss, logits, target)
    assert torch.equal(target, before)
    assert (gradient[ignored] == 0).all()
    for other in (1e4, math.nan):
        changed, same = value_and_gradient(loss, logits.masked_fill(ignored, other), target)
        assert changed == value
        assert torch.equal(same, gradient)


def test_a_batch_without_a_pixel_that_counts_costs_zero_with_zero_gradient(loss_and_k):
    loss, k = loss_and_k
    logits, target, _ = example(k)
    value, gradient = value_and_gradient(loss, logits, torch.full_like(target, 255))
    assert value == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sign", [-1, 1])
def test_extreme_logits_give_finite_values_and_gradients(loss_and_k, dtype, sign):
    loss, k = loss_and_k
    logits, target, _ = example(k)
    value, gradient = value_and_gradient(loss, (sign * 1e4 * logits.sign()).to(dtype), target)
    assert math.isfinite(value)
    assert torch.isfinite(gradient).all()


def test_autocast_leaves_value_and_gradient_in_float32(loss_and_k):
    loss, k = loss_and_k
    logits, target, _ = example(k)
    expected, gradient = value_and_gradient(loss, logits, target)
    inside = logits.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(inside, target)
    value.backward()
    assert value.dtype == torch.float32
    assert value == expected
    assert torch.equal(inside.grad, gradient)


def test_weights_of_one_are_no_weights(loss_and_k):
    loss, k = loss_and_k
    logits, target, _ = example(k)
    weighted = loss(logits, target, torch.ones(target.shape)).item()
    assert weighted == pytest.approx(loss(logits, target).item(), rel=1e-6)


@pytest.mark.parametrize("kind", [BCEDice, CEDice])
@pytest.mark.parametrize(
    "weights", [(-1.0, 2.0), (2.0, -1.0), (0.0, 0.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0)]
)
def test_factors_that_make_no_loss_are_refused(kind, weights):
    with pytest.raises(ValueError, match="both weights must be at least 0 and finite, and one of them positive"):
        kind(*weights)


@pytest.mark.parametrize("kind", [BCEDice, CEDice])
def test_smoothing_that_is_not_positive_is_refused(kind):
    with pytest.raises(ValueError, match=r"loss\.smooth=0\.0: must be positive"):
        kind(smooth=0.0)


def test_networks_are_refused_as_by_the_cross_entropy():
    BCEDice().check(1)
    CEDice().check(2)
    with pytest.raises(ValueError, match="needs one logit, the network has 3; use loss=ce"):
        BCEDice().check(3)
    with pytest.raises(ValueError, match="use loss=bce or activation=softmax"):
        CEDice().check(1)


def test_any_loss_computes_in_float32_even_with_operations_that_autocast_lowers():
    class Product(SegmentationLoss):
        def compute(self, logits, target, weight):
            assert logits.dtype == torch.float32
            return (logits.flatten(1) @ logits.flatten(1).T).sum()

    logits, target, _ = example(4)
    with torch.autocast("cpu", torch.bfloat16):
        value = Product()(logits, target)
    assert value.dtype == torch.float32
    assert value == Product()(logits, target)
    Product()(logits.bfloat16(), target)
