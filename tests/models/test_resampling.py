"""What takes the place of torch's operations on a graphics card is the same, tried on the processor."""

import pytest
import torch
from torch.nn import functional

from segbench.models.resampling import GlobalMaxPool, interpolate_by_products, unpool_by_choice


def with_gradient(function, x):
    x = x.clone().requires_grad_()
    result = function(x)
    result.backward(torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view_as(result))
    return result.detach(), x.grad


@pytest.mark.parametrize(
    ("before", "after"), [((3, 4), (24, 32)), ((1, 5), (16, 11)), ((7, 7), (7, 7)), ((2, 3), (9, 4))]
)
def test_a_product_interpolates_as_torch_does(before, after):
    x = torch.randn(2, 3, *before, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = with_gradient(lambda x: interpolate_by_products(x, after), x)
    theirs = with_gradient(lambda x: functional.interpolate(x, size=after, mode="bilinear", align_corners=False), x)
    # Positions are float32 where torch has float64.
    assert all(torch.allclose(left, right, rtol=0, atol=1e-5) for left, right in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
def test_choosing_corners_unpools_as_torch_does_to_the_bit(form):
    image = torch.randn(2, 3, 6, 10, generator=torch.Generator().manual_seed(0)).to(memory_format=form)
    x, where = functional.max_pool2d(image, 2, return_indices=True)
    ours = with_gradient(lambda x: unpool_by_choice(x, where), x)
    theirs = with_gradient(lambda x: functional.max_unpool2d(x, where, (2, 2)), x)
    assert all(torch.equal(left, right) for left, right in zip(ours, theirs, strict=True))


def test_the_maximum_is_that_of_adaptive_pooling_to_the_bit():
    x = torch.randint(0, 4, (2, 3, 5, 4)).float()  # with several equal maxima
    ours, theirs = with_gradient(GlobalMaxPool(), x), with_gradient(torch.nn.AdaptiveMaxPool2d(1), x)
    assert all(torch.equal(left, right) for left, right in zip(ours, theirs, strict=True))
