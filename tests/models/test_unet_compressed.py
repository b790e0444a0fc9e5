import pytest
import torch
from torch.nn import functional

from segbench.models import UNetCompressed


def count_by_hand(channels, classes, w):
    """The report's layers one by one: k x k x in x out + out for a convolution, 2 for each normalised filter."""

    def unit(before, after, kernel=3):
        return kernel**2 * before * after + after + 2 * after

    down = (
        unit(channels, w) + unit(w, w) + unit(w, 2 * w) + unit(2 * w, 2 * w) + unit(2 * w, 4 * w) + unit(4 * w, 4 * w)
    )
    lower = unit(4 * w, 2 * w, kernel=2) + unit(4 * w, 2 * w) + unit(2 * w, 2 * w)
    full = unit(2 * w, w, kernel=2) + unit(2 * w, w)
    tail = (9 * w * w + w) + (9 * w * 2 + 2)
    return down + lower + full + tail + (2 * classes + classes)


@pytest.mark.parametrize(("channels", "classes", "width"), [(1, 3, 32), (3, 1, 8), (2, 5, 3)])
@pytest.mark.parametrize("linear_tail", [True, False])
def test_weights_are_those_counted_by_hand(channels, classes, width, linear_tail):
    network = UNetCompressed(channels, classes, width, linear_tail)
    assert sum(weight.numel() for weight in network.parameters()) == count_by_hand(channels, classes, width)


def test_the_weight_count_that_the_docstring_names():
    assert f"{count_by_hand(1, 3, 32):,} parameters" in UNetCompressed.__doc__


@pytest.mark.parametrize("size", [(4, 4), (12, 20)])
def test_shape_and_gradient(size):
    torch.manual_seed(0)
    network = UNetCompressed(2, 3, width=4)
    logits = network(torch.randn(4, 2, *size))
    assert logits.shape == (4, 3, *size)
    logits.square().mean().backward()
    for name, weight in network.named_parameters():
        assert torch.isfinite(weight.grad).all(), name
        # A bias in front of a normalisation changes nothing; of "tail" and "head" there is none behind.
        normalised = weight.dim() == 1 and name.endswith("bias") and not name.startswith(("head", "tail"))
        assert normalised or weight.grad.abs().sum() > 0, name


def test_weights_are_drawn_by_he_and_biases_are_zero():
    torch.manual_seed(0)
    for name, layer in UNetCompressed(1, 3).named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            assert not layer.bias.any(), name
            if layer.weight.numel() > 2000:
                spread = (2 / layer.weight[0].numel()) ** 0.5
                assert layer.weight.std().item() == pytest.approx(spread, rel=0.06), name


@pytest.mark.parametrize("argument", ["in_channels", "out_channels", "width"])
@pytest.mark.parametrize("value", [0, -3, 2.0, "4", True])
def test_channels_and_width_must_be_positive_integers(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must be a positive integer, got {value}$"):
        UNetCompressed(**{"in_channels": 1, "out_channels": 1, "width": 2, argument: value})


def equations(w, x, training, linear_tail):
    """The report's network as formulas; tensors of the state dict are taken by name."""

    def unit(x, conv, norm, uneven=False):
        # Torch's own "same" pads an even kernel on the right and at the bottom alone.
        x = functional.conv2d(x, w[f"{conv}.weight"], w[f"{conv}.bias"], padding="same" if uneven else 1)
        mean = x.mean(dim=(0, 2, 3)) if training else w[f"{norm}.running_mean"]
        var = x.var(dim=(0, 2, 3), unbiased=False) if training else w[f"{norm}.running_var"]
        x = (x - mean[:, None, None]) / (var + 1e-5).sqrt()[:, None, None]
        x = x * w[f"{norm}.weight"][:, None, None] + w[f"{norm}.bias"][:, None, None]
        return x.clamp(min=0)

    def block(x, name):
        return unit(unit(x, f"{name}.0", f"{name}.1"), f"{name}.3", f"{name}.4")

    skips = []
    for level in range(3):
        x = block(x, f"encoder.levels.{level}")
        skips.append(x)
        if level < 2:
            x = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).max(dim=4).values
    for step in range(2):
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        x = unit(x, f"ups.{step}.2", f"ups.{step}.3", uneven=True)
        x = torch.cat([skips[1 - step], x], dim=1)
        x = block(x, "blocks.0") if step == 0 else unit(x, "blocks.1.0", "blocks.1.1")
    for conv in ("tail.0", "tail.1" if linear_tail else "tail.2"):
        x = functional.conv2d(x, w[f"{conv}.weight"], w[f"{conv}.bias"], padding=1)
        x = x if linear_tail else x.clamp(min=0)
    return torch.einsum("bchw,dc->bdhw", x, w["head.weight"][:, :, 0, 0]) + w["head.bias"][:, None, None]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("linear_tail", [True, False])
@pytest.mark.parametrize(("channels", "classes", "width"), [(1, 3, 4), (3, 1, 2)])
def test_outputs_agree_with_the_report_s_equations(channels, classes, width, linear_tail, training):
    torch.manual_seed(0)
    network = UNetCompressed(channels, classes, width, linear_tail).double().train(training)
    for name, value in network.state_dict().items():
        if value.is_floating_point() and value.dim() == 1:  # biases and statistics that a mistake would show in
            value.copy_(torch.rand_like(value) + (0.5 if "var" in name or "weight" in name else 0))
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    image = torch.randn(2, channels, 16, 24, dtype=torch.float64)
    expected = equations(weights, image, training, linear_tail)
    torch.testing.assert_close(network(image), expected, rtol=1e-9, atol=1e-9)
