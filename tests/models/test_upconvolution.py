"""The folded up-convolution is nearest upsampling and a 3x3 convolution, which is written out here pixel by pixel."""

from contextlib import nullcontext

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from torch.utils.flop_counter import FlopCounterMode

from segbench.models import AttentionUNet, R2AttentionUNet, R2UNet, UNet, upconvolution
from segbench.models.blocks import UpConv
from segbench.models.upconvolution import FEW_PIXELS, as_defined, convolve_upsampled

small = st.integers(1, 4)


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Fold small images too."""
    monkeypatch.setattr(upconvolution, "FEW_PIXELS", 0)


def by_pixels(x, weight, bias):
    """Sum nine shifted and weighted copies of the doubled image: no convolution of torch's."""
    doubled = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    height, width = doubled.shape[2:]
    padded = x.new_zeros(*x.shape[:2], height + 2, width + 2)
    padded[:, :, 1:-1, 1:-1] = doubled
    result = 0
    for row in range(3):
        for column in range(3):
            part = padded[:, :, row : row + height, column : column + width]
            result = result + (part.unsqueeze(1) * weight[:, :, row, column, None, None]).sum(dim=2)
    return result if bias is None else result + bias.view(1, -1, 1, 1)


def in_network(x, weight, bias):
    """Let a layer with these parameters do it."""
    layer = torch.nn.Conv2d(*weight.shape[1::-1], kernel_size=3, padding=1, bias=bias is not None)
    del layer.weight
    layer.weight = weight
    if bias is not None:
        del layer.bias
        layer.bias = bias
    return convolve_upsampled(x, layer)


def with_gradients(function, tensors):
    """Return the result and the gradients of what is not None."""
    leaves = [None if tensor is None else tensor.clone().requires_grad_() for tensor in tensors]
    result = function(*leaves)
    result.backward(torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view_as(result))
    return [result.detach(), *(leaf.grad for leaf in leaves if leaf is not None)]


@examples(50)
@given(small, small, small, st.integers(1, 6), st.integers(1, 6), st.booleans(), st.booleans(), st.integers(0, 999))
def test_values_and_gradients_are_those_of_the_definition(images, before, after, height, width, bias, last, seed):
    chance = torch.Generator().manual_seed(seed)
    form = torch.channels_last if last else torch.contiguous_format
    x = torch.randn(images, before, height, width, dtype=torch.float64, generator=chance).contiguous(memory_format=form)
    weight = torch.randn(after, before, 3, 3, dtype=torch.float64, generator=chance).contiguous(memory_format=form)
    added = torch.randn(after, dtype=torch.float64, generator=chance) if bias else None
    ours = with_gradients(in_network, (x, weight, added))
    for mine, theirs in zip(ours, with_gradients(by_pixels, (x, weight, added)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    with as_defined():
        unfolded = with_gradients(in_network, (x, weight, added))
    for mine, theirs in zip(ours, unfolded, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [UNet, AttentionUNet, R2UNet, R2AttentionUNet])
def test_networks_are_those_that_they_were(kind):
    torch.manual_seed(0)
    network = kind(2, 3, width=3, depth=3).double()
    image = torch.randn(2, 2, 12, 20, dtype=torch.float64)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    gradients = []
    for form in (nullcontext(), as_defined()):
        network.load_state_dict(state)
        network.zero_grad()
        with form:
            logits = network(image)
        logits.square().sum().backward()
        gradients.append([logits.detach(), *(weight.grad.clone() for weight in network.parameters())])
    for folded, unfolded in zip(*gradients, strict=True):
        torch.testing.assert_close(folded, unfolded, rtol=1e-9, atol=1e-9)
    names = {name for name in state if name.startswith("ups.0.")}
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert names == {"ups.0.1.weight", "ups.0.1.bias", *(f"ups.0.2.{name}" for name in norm)}
    assert state["ups.0.1.weight"].shape == (6, 12, 3, 3)


def test_half_precision_differs_from_the_definition_by_its_own_rounding():
    torch.manual_seed(0)
    layer, x = UpConv(16, 8), torch.randn(2, 16, 9, 11)
    exact = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        folded = layer(x)
        with as_defined():
            unfolded = layer(x)
    assert folded.dtype == unfolded.dtype == torch.bfloat16
    errors = [(rounded.float() - exact).square().mean().sqrt() for rounded in (folded, unfolded)]
    assert errors[0] < 1.5 * errors[1] < 0.05


def test_many_pixels_are_folded_on_a_processor_and_take_four_ninths_of_the_products(monkeypatch):
    monkeypatch.setattr(upconvolution, "FEW_PIXELS", FEW_PIXELS)

    def products(device, images, form=nullcontext):
        with torch.device(device):
            layer, x = UpConv(4, 2), torch.empty(images, 4, 32, 16)
        with torch.no_grad(), form(), FlopCounterMode(display=False) as counter:
            layer(x)
        return counter.get_total_flops() / images

    defined = 2 * 9 * 4 * 2 * 64 * 32
    assert products("meta", 2) == products("cpu", 2, as_defined) == products("cpu", 1) == defined
    assert products("cpu", 2) == defined * 4 / 9
