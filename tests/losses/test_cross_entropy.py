import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss
from tests.examples import examples
from torch.nn import functional

from segbench.losses import BinaryCrossEntropy, CrossEntropy, SegmentationLoss


def example(k, seed=0, ignored=0.25):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, k, 6, 5, generator=generator)
    target = torch.randint(0, max(k, 2), (3, 6, 5), generator=generator)
    target[torch.rand(target.shape, generator=generator) < ignored] = 255
    target[0, 0, 0] = 255
    target[0, 0, 1] = 1
    return logits, target


def kept(logits, target):
    """Logits (P,K) and labels (P,) of the pixels that count, taken out by boolean indexing."""
    counts = target != 255
    return logits.movedim(1, -1)[counts], target[counts]


def reference(logits, target, weight=None):
    """Mean over the pixels that count, in float64 and from the definition."""
    pixels, labels = kept(logits.double(), target)
    if logits.shape[1] == 1:
        p = pixels[:, 0].sigmoid()
        values = -torch.where(labels == 1, p, 1 - p).log()
    else:
        values = -pixels.log_softmax(dim=1)[torch.arange(len(labels)), labels]
    return (values if weight is None else values * weight[target != 255]).mean().item()


@pytest.fixture(params=[(BinaryCrossEntropy, 1), (CrossEntropy, 2), (CrossEntropy, 4)], ids=["bce", "ce2", "ce4"])
def loss_and_k(request):
    kind, k = request.param
    return kind(), k


# -- the value -------------------------------------------------------------------------------------------------


@examples(25)
@given(st.sampled_from([1, 2, 4]), st.integers(0, 10_000))
def test_value_is_scikit_learn_s_on_the_pixels_that_count(k, seed):
    logits, target = example(k, seed)
    loss = BinaryCrossEntropy() if k == 1 else CrossEntropy()
    pixels, labels = kept(logits.double(), target)
    p = torch.cat([1 - pixels.sigmoid(), pixels.sigmoid()], dim=1) if k == 1 else pixels.softmax(dim=1)
    expected = log_loss(labels.numpy(), p.numpy(), labels=list(range(max(k, 2))))
    assert loss(logits, target).item() == pytest.approx(expected, rel=1e-5)
    assert loss(logits, target).item() == pytest.approx(reference(logits, target), rel=1e-5)


def test_gradient_is_torch_s_on_the_pixels_that_count(loss_and_k):
    loss, k = loss_and_k
    logits, target = example(k)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss(ours, target).backward()
    pixels, labels = kept(theirs, target)
    if k == 1:
        functional.binary_cross_entropy_with_logits(pixels[:, 0], labels.float()).backward()
    else:
        functional.cross_entropy(pixels, labels).backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-8)


def test_one_logit_equals_a_softmax_over_zero_and_that_logit():
    logits, target = example(1)
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)
    assert BinaryCrossEntropy()(logits, target).item() == pytest.approx(CrossEntropy()(both, target).item(), rel=1e-5)


@pytest.mark.parametrize("k", [2, 3, 9])
def test_equal_logits_cost_the_logarithm_of_the_number_of_classes(k):
    target = torch.arange(12).view(1, 3, 4) % k
    assert CrossEntropy()(torch.full((1, k, 3, 4), 7.0), target).item() == pytest.approx(math.log(k))


def test_a_logit_of_zero_costs_ln_2():
    target = torch.tensor([[[0, 1, 255]]])
    assert BinaryCrossEntropy()(torch.zeros(1, 1, 1, 3), target).item() == pytest.approx(math.log(2))


# -- ignored pixels --------------------------------------------------------------------------------------------


def test_logits_of_ignored_pixels_change_nothing_and_get_no_gradient(loss_and_k):
    loss, k = loss_and_k
    logits, target = example(k)
    ignored = (target == 255).unsqueeze(1).expand_as(logits)
    before = target.clone()
    logits.requires_grad_()
    value = loss(logits, target)
    value.backward()
    assert torch.equal(target, before)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).all()
    for other in (-1e4, 0.0, 1e4):
        assert loss(logits.detach().masked_fill(ignored, other), target) == value


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_ignored_pixels_may_even_be_nan_or_infinite(loss_and_k, bad):
    loss, k = loss_and_k
    logits, target = example(k)
    ignored = (target == 255).unsqueeze(1).expand_as(logits)
    broken = logits.masked_fill(ignored, bad).requires_grad_()
    value = loss(broken, target)
    value.backward()
    assert value == loss(logits, target)
    assert (broken.grad[ignored] == 0).all()
    assert torch.isfinite(broken.grad).all()


def test_a_nan_that_counts_is_not_hidden(loss_and_k):
    loss, k = loss_and_k
    logits, target = example(k)
    logits[0, :, 0, 1] = math.nan
    assert loss(logits, target).isnan()


def test_a_batch_without_a_pixel_that_counts_costs_zero_with_zero_gradient(loss_and_k):
    loss, k = loss_and_k
    logits, target = example(k)
    logits.requires_grad_()
    value = loss(logits, torch.full_like(target, 255))
    value.backward()
    assert value == 0
    assert (logits.grad == 0).all()


def test_the_mean_is_over_the_pixels_of_the_batch_that_count(loss_and_k):
    loss, k = loss_and_k
    logits, target = example(k)
    target[1, :, 1:] = 255
    counts = (target != 255).sum(dim=(1, 2)).tolist()
    each = [loss(logits[i : i + 1], target[i : i + 1]).item() for i in range(3)]
    expected = sum(n * value for n, value in zip(counts, each, strict=True)) / sum(counts)
    assert loss(logits, target).item() == pytest.approx(expected, rel=1e-5)


# -- numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sign", [-1, 1])
def test_extreme_logits_give_finite_values_and_gradients(loss_and_k, dtype, sign):
    loss, k = loss_and_k
    logits, target = example(k)
    extreme = (sign * 1e4 * logits.sign()).to(dtype).requires_grad_()
    value = loss(extreme, target)
    value.backward()
    assert value.dtype == torch.float32
    assert 0 <= value <= 2.1e4
    assert extreme.grad.dtype == dtype
    assert torch.isfinite(extreme.grad).all()


def test_autocast_leaves_value_and_gradient_in_float32(loss_and_k):
    loss, k = loss_and_k
    logits, target = example(k)
    inside, outside = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(inside, target)
    value.backward()
    expected = loss(outside, target)
    expected.backward()
    assert value.dtype == torch.float32
    assert value == expected
    assert torch.equal(inside.grad, outside.grad)


# -- weights of pixels -----------------------------------------------------------------------------------------


def test_weights_of_one_are_no_weights(loss_and_k):
    loss, k = loss_and_k
    logits, target = example(k)
    assert loss(logits, target, torch.ones(target.shape)) == loss(logits, target)


def test_an_integer_weight_repeats_the_pixel_in_the_sum_but_not_in_the_number_of_pixels(loss_and_k):
    loss, k = loss_and_k
    logits, target = example(k)
    times = torch.randint(0, 4, target.shape, generator=torch.Generator().manual_seed(3))
    flat = times.flatten()
    repeated = logits.movedim(1, 0).flatten(1).repeat_interleave(flat, dim=1).view(1, k, 1, -1)
    labels = target.flatten().repeat_interleave(flat).view(1, 1, -1)
    pixels = (target != 255).sum().item()
    expected = loss(repeated, labels).item() * (labels != 255).sum().item() / pixels
    value = loss(logits, target, times.float()).item()
    assert value == pytest.approx(expected, rel=1e-5)
    assert value == pytest.approx(reference(logits, target, times), rel=1e-5)


def test_weights_of_ignored_pixels_play_no_role(loss_and_k):
    loss, k = loss_and_k
    logits, target = example(k)
    weight = torch.rand(target.shape)
    assert loss(logits, target, weight) == loss(logits, target, torch.where(target == 255, 1e3, weight))


# -- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 19])
def test_binary_cross_entropy_refuses_more_than_one_logit(k):
    with pytest.raises(ValueError, match=f"needs one logit, the network has {k}; use loss=ce"):
        BinaryCrossEntropy().check(k)
    CrossEntropy().check(k)


def test_cross_entropy_refuses_a_single_logit():
    with pytest.raises(ValueError, match="the network has 1; use loss=bce or activation=softmax"):
        CrossEntropy().check(1)
    BinaryCrossEntropy().check(1)


@pytest.mark.parametrize("images", [1, 7, 100])
def test_classified_images_get_the_gradient_of_the_general_case_to_the_bit(images):
    torch.manual_seed(images)
    logits, label = 3 * torch.randn(images, 10), torch.randint(0, 10, (images,))
    gradients, values = [], []
    for forward in (CrossEntropy.forward, SegmentationLoss.forward):
        leaf = logits.clone().requires_grad_()
        value = forward(CrossEntropy(), leaf, label)
        value.backward()
        gradients.append(leaf.grad)
        values.append(value.item())
    assert torch.equal(*gradients)
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_a_label_of_a_classified_image_that_is_no_class_is_an_error():
    with pytest.raises(IndexError):
        CrossEntropy()(torch.zeros(2, 10), torch.tensor([3, 255]))
