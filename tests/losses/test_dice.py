import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.oracles import monai

from segbench.losses import DiceLoss


def example(k, seed=0, ignored=0.25):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, k, 6, 5, generator=generator)
    target = torch.randint(0, max(k, 2), (3, 6, 5), generator=generator)
    target[torch.rand(target.shape, generator=generator) < ignored] = 255
    return logits, target


def by_hand(logits, target, smooth, background, weight=None):
    """The docstring's formula, image by image, class by class, pixel by pixel, in Python floats."""
    losses = []
    for b in range(len(logits)):
        k = logits.shape[1]
        for c in range(0 if background or k == 1 else 1, k):
            overlap = total = 0.0
            for y in range(target.shape[1]):
                for x in range(target.shape[2]):
                    label = target[b, y, x].item()
                    if label == 255:
                        continue
                    z = [value.item() for value in logits[b, :, y, x]]
                    p = 1 / (1 + math.exp(-z[0])) if k == 1 else math.exp(z[c]) / sum(math.exp(v) for v in z)
                    t = float(label == (1 if k == 1 else c))
                    w = 1 if weight is None else weight[b, y, x].item()
                    overlap += w * p * t
                    total += w * (p + t)
            losses.append(1 - (2 * overlap + smooth) / (total + smooth))
    return sum(losses) / len(losses)


def loss_of_monai(k, smooth, background):
    return monai.losses.DiceLoss(
        sigmoid=k == 1,
        softmax=k > 1,
        to_onehot_y=k > 1,
        include_background=background or k == 1,
        smooth_nr=smooth,
        smooth_dr=smooth,
    )


# -- the value -------------------------------------------------------------------------------------------------


@examples(30)
@given(st.sampled_from([1, 2, 5]), st.booleans(), st.integers(0, 10_000), st.sampled_from([1e-3, 1.0, 9.0]))
def test_value_and_gradient_are_monai_s_with_equal_smoothing(k, background, seed, smooth):
    logits, target = example(k, seed, ignored=0)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value = DiceLoss(smooth, background)(ours, target)
    expected = loss_of_monai(k, smooth, background)(theirs, target.unsqueeze(1).float())
    value.backward()
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)


@examples(15)
@given(st.sampled_from([1, 2, 4]), st.booleans(), st.integers(0, 10_000), st.sampled_from([0.5, 1.0]))
def test_value_is_the_docstring_s_formula_with_ignored_pixels(k, background, seed, smooth):
    logits, target = example(k, seed)
    expected = by_hand(logits, target, smooth, background)
    assert DiceLoss(smooth, background)(logits, target).item() == pytest.approx(expected, rel=1e-5)


def test_value_by_hand():
    log3 = math.log(3)  # p = 3/4, 1/4, 3/4; the last pixel is ignored
    logits = torch.tensor([[[[log3, -log3], [log3, 5.0]]]])
    target = torch.tensor([[[1, 1], [0, 255]]])
    # sum(p t) = 1, sum(p) = 7/4, sum(t) = 2: 1 - (2 + 1) / (15/4 + 1) = 7/19
    assert DiceLoss()(logits, target).item() == pytest.approx(7 / 19, rel=1e-6)


def test_reduction_is_per_image_whatever_the_sizes_of_their_truth():
    logits, target = example(3)
    target[0] = 0
    target[1, :, :4] = 255
    each = [DiceLoss()(logits[i : i + 1], target[i : i + 1]).item() for i in range(3)]
    assert DiceLoss()(logits, target).item() == pytest.approx(sum(each) / 3, rel=1e-6)


def test_perfect_and_opposite_predictions_are_the_ends_of_the_scale():
    target = torch.tensor([[[1, 0], [0, 1]]])
    logits = (target.unsqueeze(1) * 2 - 1) * 100.0
    assert DiceLoss()(logits, target).item() == pytest.approx(0, abs=1e-6)
    assert DiceLoss(smooth=1e-6)(-logits, target).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("smooth", [0, 0.0, -1.0, math.nan, math.inf])
def test_smoothing_that_is_not_positive_is_refused(smooth):
    with pytest.raises(ValueError, match=rf"loss\.smooth={smooth}: must be positive and finite$"):
        DiceLoss(smooth)


@pytest.mark.parametrize("k", [1, 2, 7])
def test_any_number_of_logits_is_accepted(k):
    DiceLoss().check(k)


# -- ignored pixels --------------------------------------------------------------------------------------------


@examples(20)
@given(st.sampled_from([1, 2, 4]), st.booleans(), st.integers(0, 10_000), st.floats(-1e4, 1e4, width=32))
def test_logits_of_ignored_pixels_change_nothing_and_get_no_gradient(k, background, seed, other):
    loss = DiceLoss(include_background=background)
    logits, target = example(k, seed)
    target[0, 0, 0] = 255
    ignored = (target == 255).unsqueeze(1).expand_as(logits)
    changed = torch.where(ignored, other * torch.randn(logits.shape), logits).requires_grad_()
    logits.requires_grad_()
    before = target.clone()
    loss(logits, target).backward()
    value = loss(changed, target)
    value.backward()
    assert torch.equal(target, before)
    assert value == loss(logits, target)
    assert torch.equal(changed.grad, logits.grad)
    assert (logits.grad[ignored] == 0).all()


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_ignored_pixels_may_even_be_nan_or_infinite(k, bad):
    logits, target = example(k)
    ignored = (target == 255).unsqueeze(1).expand_as(logits)
    expected = DiceLoss()(logits, target)
    broken = logits.masked_fill(ignored, bad).requires_grad_()
    value = DiceLoss()(broken, target)
    value.backward()
    assert value == expected
    assert (broken.grad[ignored] == 0).all()
    assert torch.isfinite(broken.grad).all()


def test_a_nan_that_counts_is_not_hidden():
    logits, target = example(3)
    logits[0, :, 0, 0], target[0, 0, 0] = math.nan, 1
    assert DiceLoss()(logits, target).isnan()


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("background", [True, False])
def test_a_batch_without_a_pixel_that_counts_costs_zero_with_zero_gradient(k, background):
    logits, target = example(k)
    logits.requires_grad_()
    value = DiceLoss(include_background=background)(logits, torch.full_like(target, 255))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


def test_an_ignored_image_contributes_zero_to_the_mean():
    logits, target = example(4)
    target[1] = 255
    others = DiceLoss()(logits[[0, 2]], target[[0, 2]]).item()
    assert DiceLoss()(logits, target).item() == pytest.approx(others * 2 / 3, rel=1e-6)


# -- absent classes --------------------------------------------------------------------------------------------


@examples(20)
@given(st.floats(-6, 6, width=32), st.sampled_from([0.1, 1.0, 20.0]), st.booleans())
def test_an_absent_foreground_costs_its_false_positives_and_is_pushed_down(level, smooth, some_ignored):
    logits = torch.full((2, 1, 4, 5), level, requires_grad=True)
    target = torch.zeros(2, 4, 5, dtype=torch.int64)
    if some_ignored:
        target[:, 0] = 255
    value = DiceLoss(smooth)(logits, target)
    value.backward()
    predicted = (15 if some_ignored else 20) / (1 + math.exp(-level))
    assert value.item() == pytest.approx(predicted / (predicted + smooth), rel=1e-4)
    counts = (target != 255).unsqueeze(1)
    assert (logits.grad[counts] > 0).all()  # descent lowers the logit
    assert (logits.grad[~counts] == 0).all()


def test_an_absent_class_of_a_softmax_costs_its_false_positives_and_is_pushed_down():
    # Without background the one class that is left, 1, is absent.
    logits, _ = example(2)
    logits.requires_grad_()
    value = DiceLoss(smooth=2.0, include_background=False)(logits, torch.zeros(3, 6, 5, dtype=torch.int64))
    value.backward()
    predicted = logits.detach().softmax(dim=1)[:, 1].sum(dim=(1, 2))
    assert value.item() == pytest.approx((predicted / (predicted + 2)).mean().item(), rel=1e-5)
    assert (logits.grad[:, 1] > 0).all()
    assert (logits.grad[:, 0] < 0).all()


def test_an_absent_class_that_nobody_predicts_is_free():
    target = torch.zeros(1, 4, 5, dtype=torch.int64)
    assert DiceLoss()(torch.full((1, 1, 4, 5), -200.0), target) == 0


def test_background_pushes_back_where_every_image_lacks_the_class():
    target = torch.zeros(2, 4, 4, dtype=torch.int64)
    gradients = []
    for background in (True, False):
        logits = torch.stack([torch.full((2, 4, 4), -6.0), torch.full((2, 4, 4), 6.0)], dim=1).requires_grad_()
        DiceLoss(include_background=background)(logits, target).backward()
        gradients.append(logits.grad[:, 1].abs().sum().item())
    # Flooded by the absent class: its own gradient has faded, background's has not.
    assert gradients[0] > 5 * gradients[1] > 0


# -- numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("sign", [-1, 1])
def test_extreme_logits_give_finite_values_and_gradients(k, dtype, sign):
    logits, target = example(k)
    extreme = (sign * 1e4 * logits.sign()).to(dtype).requires_grad_()
    value = DiceLoss()(extreme, target)
    value.backward()
    assert value.dtype == torch.float32
    assert 0 <= value <= 1
    assert extreme.grad.dtype == dtype
    assert torch.isfinite(extreme.grad).all()


@pytest.mark.parametrize("k", [1, 4])
def test_autocast_leaves_value_and_gradient_in_float32(k):
    logits, target = example(k)
    inside, outside = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = DiceLoss()(inside, target)
    value.backward()
    expected = DiceLoss()(outside, target)
    expected.backward()
    assert value.dtype == torch.float32
    assert value == expected
    assert torch.equal(inside.grad, outside.grad)


# -- weights of pixels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("background", [True, False])
def test_weights_of_one_are_no_weights(k, background):
    logits, target = example(k)
    loss = DiceLoss(include_background=background)
    weighted = loss(logits, target, torch.ones(target.shape)).item()
    assert weighted == pytest.approx(loss(logits, target).item(), rel=1e-6)


@examples(15)
@given(st.sampled_from([1, 2, 4]), st.booleans(), st.integers(0, 10_000))
def test_an_integer_weight_repeats_the_pixel(k, background, seed):
    generator = torch.Generator().manual_seed(seed)
    logits, target = example(k, seed)
    logits, target = logits[:1], target[:1]
    times = torch.randint(0, 4, target.shape, generator=generator)
    flat = times.flatten()
    # One image with every pixel as often as its weight says, in a single row.
    repeated = logits.flatten(2).repeat_interleave(flat, dim=2).unsqueeze(2)
    labels = target.flatten(1).repeat_interleave(flat, dim=1).unsqueeze(1)
    loss = DiceLoss(include_background=background)
    weighted = loss(logits, target, times.float()).item()
    assert weighted == pytest.approx(loss(repeated, labels).item(), rel=1e-5, abs=1e-6)
    assert weighted == pytest.approx(by_hand(logits, target, 1.0, background, times), rel=1e-5, abs=1e-6)


def test_weights_of_ignored_pixels_play_no_role():
    logits, target = example(3)
    weight = torch.rand(target.shape)
    other = torch.where(target == 255, 1e3, weight)
    assert DiceLoss()(logits, target, weight) == DiceLoss()(logits, target, other)
