import pytest
import torch
from torch.nn import functional

from segbench.models import CardiacUNet


def count_by_hand(channels, classes, width):
    def conv(before, after, kernel):
        return before * after * kernel**2 + after

    def unit(before, after):
        return conv(before, after, 3) + 2 * after

    total, before = 0, channels
    for here in (width, 2 * width, 4 * width):
        total += unit(before, here) + unit(here, here)
        before = here
    total += unit(4 * width, 8 * width)
    for here in (4 * width, 2 * width, width):
        total += conv(2 * here, here, 2) + unit(2 * here, here) + unit(here, here)
    return total + conv(width, classes, 1)


@pytest.mark.parametrize(("channels", "classes", "width"), [(1, 4, 32), (3, 1, 8), (2, 5, 3)])
def test_weights_are_those_counted_by_hand(channels, classes, width):
    network = CardiacUNet(channels, classes, width)
    assert sum(weight.numel() for weight in network.parameters()) == count_by_hand(channels, classes, width)


@pytest.mark.parametrize("size", [(8, 8), (24, 40)])
def test_shape_and_gradient(size):
    torch.manual_seed(0)
    network = CardiacUNet(2, 3, width=4)
    logits = network(torch.randn(4, 2, *size))
    assert logits.shape == (4, 3, *size)
    logits.square().mean().backward()
    for name, weight in network.named_parameters():
        assert torch.isfinite(weight.grad).all(), name
        normalised = weight.dim() == 1 and name.endswith("bias") and not name.startswith(("head", "ups"))
        assert normalised or weight.grad.abs().sum() > 0, name


def test_dropout_is_random_in_training_and_absent_in_evaluation():
    network, image = CardiacUNet(1, 2, width=4), torch.randn(2, 1, 16, 16)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))
    still = CardiacUNet(1, 2, width=4, dropout=0.0)
    assert torch.equal(still(image), still(image))


def test_impossible_numbers_are_refused():
    for dropout in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=f"^dropout must be at least 0 and below 1, got {dropout}$"):
            CardiacUNet(1, 1, dropout=dropout)


@pytest.mark.parametrize("argument", ["in_channels", "out_channels", "width"])
@pytest.mark.parametrize("value", [0, -3, 2.0, "4", True])
def test_channels_and_width_must_be_positive_integers(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must be a positive integer, got {value}$"):
        CardiacUNet(**{"in_channels": 1, "out_channels": 1, "width": 2, argument: value})


def equations(w, x, training):
    """The report's network as formulas; tensors of the state dict are taken by name."""

    def unit(x, name, first):
        x = functional.conv2d(x, w[f"{name}.{first}.weight"], w[f"{name}.{first}.bias"], padding=1)
        norm = f"{name}.{first + 1}"
        mean = x.mean(dim=(0, 2, 3)) if training else w[f"{norm}.running_mean"]
        var = x.var(dim=(0, 2, 3), unbiased=False) if training else w[f"{norm}.running_var"]
        x = (x - mean[:, None, None]) / (var + 1e-5).sqrt()[:, None, None]
        x = x * w[f"{norm}.weight"][:, None, None] + w[f"{norm}.bias"][:, None, None]
        return torch.where(x > 0, x, 0.01 * x)

    skips = []
    for stage in range(3):
        x = unit(unit(x, f"encoder.{stage}", 0), f"encoder.{stage}", 3)
        skips.append(x)
        x = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).max(dim=4).values
    x = unit(x, "encoder.3", 0)
    for step, skip in enumerate(reversed(skips)):
        # Kernel as large as the stride: every pixel becomes its own 2x2 block.
        blocks = torch.einsum("bchw,cdij->bdhiwj", x, w[f"ups.{step}.weight"])
        up = blocks.flatten(4, 5).flatten(2, 3) + w[f"ups.{step}.bias"][:, None, None]
        x = unit(unit(torch.cat([skip, up], dim=1), f"blocks.{step}", 0), f"blocks.{step}", 3)
    head = torch.einsum("bchw,dc->bdhw", x, w["head.weight"][:, :, 0, 0])
    return head + w["head.bias"][:, None, None]


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("channels", "classes", "width"), [(1, 4, 4), (3, 1, 2)])
def test_outputs_agree_with_the_report_s_equations(channels, classes, width, training):
    torch.manual_seed(0)
    network = CardiacUNet(channels, classes, width, dropout=0.0).double().train(training)
    for name, value in network.state_dict().items():
        if value.is_floating_point() and value.dim() == 1:  # batch norm statistics that a mistake would show in
            value.copy_(torch.rand_like(value) + (0.5 if "var" in name or "weight" in name else 0))
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    image = torch.randn(2, channels, 16, 24, dtype=torch.float64)
    torch.testing.assert_close(network(image), equations(weights, image, training), rtol=1e-9, atol=1e-9)
