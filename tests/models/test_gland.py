import pytest
import torch
from torch.nn import functional

from segbench.models.gland import GlandChain, GlandResNet, GlandUNet, GlandWaist

NETWORKS = (GlandChain, GlandWaist, GlandUNet, GlandResNet)


def conv(before, after, kernel=3):
    return before * after * kernel**2 + after


# Layer by layer as tables 12 and 14 of the report print them, for 2 channels and 2 classes.
CHAIN = [conv(2, 8), conv(8, 8, 4), conv(8, 16), conv(16, 16, 4), conv(16, 32), conv(32, 32, 4), conv(32, 2, 1)]
DOWN = [conv(2, 32), conv(32, 64), conv(64, 128)]
WAIST = [*DOWN, conv(128, 64, 4), conv(64, 64), conv(64, 32, 4), conv(32, 32), conv(32, 4, 4), conv(4, 2, 1)]
UNET = [*DOWN, conv(128, 64, 4), conv(192, 64), conv(64, 32, 4), conv(96, 32), conv(32, 4, 4), conv(36, 2, 1)]
RESNET = [*WAIST, *(2 * conv(width, width) for width in (32, 64, 128, 64, 32))]
# Two weights for each normalised channel.
CHAIN_NORM, WAIST_NORM = 2 * (8 + 16 + 32), 2 * (32 + 64 + 128 + 64 + 32)
COUNTS = [
    (GlandChain, {"batch_norm": False}, sum(CHAIN), 27_586),
    (GlandChain, {"batch_norm": True}, sum(CHAIN) + CHAIN_NORM, 27_698),
    (GlandWaist, {"batch_norm": False}, sum(WAIST), 305_134),
    (GlandWaist, {"batch_norm": True}, sum(WAIST) + WAIST_NORM, 305_774),
    (GlandUNet, {"batch_norm": False}, sum(UNET), 397_358),
    (GlandUNet, {}, sum(UNET) + WAIST_NORM, 397_998),
    (GlandResNet, {"batch_norm": False}, sum(RESNET), 785_006),
    (GlandResNet, {}, sum(RESNET) + 3 * WAIST_NORM, 786_926),
    (GlandResNet, {"skips": False}, sum(RESNET) + 3 * WAIST_NORM, 786_926),
]


@pytest.mark.parametrize(("network", "options", "by_hand", "stated"), COUNTS)
def test_weights_are_those_of_the_report_s_tables(network, options, by_hand, stated):
    assert sum(weight.numel() for weight in network(2, 2, **options).parameters()) == by_hand == stated


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_shape_and_gradient(network, batch_norm):
    torch.manual_seed(0)
    made = network(3, 5, batch_norm=batch_norm)
    logits = made(torch.randn(4, 3, 16, 40))
    assert logits.shape == (4, 5, 16, 40)
    functional.cross_entropy(logits, torch.randint(5, (4, 16, 40))).backward()
    for name, weight in made.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


@pytest.mark.parametrize("network", NETWORKS)
def test_sides_that_the_stride_divides_come_back_as_they_were_and_half_of_it_does_not(network):
    made = network(2, 1).eval()
    assert made(torch.randn(1, 2, made.stride, 3 * made.stride)).shape == (1, 1, made.stride, 3 * made.stride)
    odd = torch.randn(1, 2, 3 * made.stride // 2, 2 * made.stride)
    if network is GlandUNet:  # its skip connections find other sizes
        with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
            made(odd)
    else:
        assert made(odd).shape[-2:] != odd.shape[-2:]


def kinds(part):
    return [type(layer).__name__ for layer in part.modules() if not list(layer.children())]


def test_batch_norm_stands_before_each_activation_and_nowhere_else():
    unit, pool, up = ["Conv2d", "BatchNorm2d", "ReLU"], ["MaxPool2d"], ["ConvTranspose2d"]
    assert kinds(GlandChain(2, 2, batch_norm=True)) == 3 * [*unit, *pool, *up] + ["Conv2d"]
    assert kinds(GlandWaist(2, 2, batch_norm=True).encoder) == 3 * unit
    assert kinds(GlandWaist(2, 2, batch_norm=True).blocks) == 2 * unit
    assert kinds(GlandWaist(2, 2).encoder) == 3 * ["Conv2d", "ReLU"]
    residual = [*unit, *unit, "Conv2d", "BatchNorm2d"]
    assert kinds(GlandResNet(2, 2).blocks) == 2 * residual


def weights_of(network):
    torch.manual_seed(1)
    made = network.double().eval()
    for name, value in made.state_dict().items():
        if value.is_floating_point() and value.dim() == 1:
            value.copy_(torch.rand_like(value) + (0.5 if "var" in name or "weight" in name else 0))
    return made, made.state_dict()


def unit(w, name, x, relu=True):
    x = functional.conv2d(x, w[f"{name}.0.weight"], w[f"{name}.0.bias"], padding=1)
    if f"{name}.1.running_var" in w:
        mean, var, scale, shift = (w[f"{name}.1.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        x = (x - mean[:, None, None]) / (var + 1e-5).sqrt()[:, None, None] * scale[:, None, None] + shift[:, None, None]
    return x.clamp(min=0) if relu else x


def pooled(x):
    return x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).amax(dim=4)


def up(w, name, x):
    return functional.conv_transpose2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, padding=1)


def head(w, x):
    return torch.einsum("bchw,kc->bkhw", x, w["head.weight"][:, :, 0, 0]) + w["head.bias"][:, None, None]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_chain_is_its_table(batch_norm):
    network, w = weights_of(GlandChain(2, 2, batch_norm=batch_norm))
    image = x = torch.randn(2, 2, 8, 12, dtype=torch.float64)
    for stage in range(3):
        x = up(w, f"encoder.{stage}.2", pooled(unit(w, f"encoder.{stage}.0", x)))
    torch.testing.assert_close(network(image), head(w, x), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("kind", [GlandWaist, GlandUNet, GlandResNet])
def test_the_waist_and_what_is_made_of_it_are_their_table(kind, batch_norm, skips):
    options = {"skips": skips} if kind is GlandResNet else {}
    network, w = weights_of(kind(2, 2, batch_norm=batch_norm, **options))

    def stage(name, x):
        if kind is not GlandResNet:
            return unit(w, name, x)
        x = unit(w, f"{name}.entry", x)
        deeper = unit(w, f"{name}.residual.1", unit(w, f"{name}.residual.0", x), relu=False)
        return (x + deeper if skips else deeper).clamp(min=0)

    image = torch.randn(2, 2, 16, 24, dtype=torch.float64)
    full = stage("encoder.0", image)
    half = stage("encoder.1", pooled(full))
    quarter = stage("encoder.2", pooled(half))

    def joined(skip, x):
        return torch.cat([skip, x], dim=1) if kind is GlandUNet else x

    x = stage("blocks.0", joined(quarter, up(w, "ups.0", pooled(quarter))))
    x = stage("blocks.1", joined(half, up(w, "ups.1", x)))
    x = head(w, joined(full, up(w, "ups.2", x)))
    torch.testing.assert_close(network(image), x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("argument", ["in_channels", "out_channels"])
@pytest.mark.parametrize("value", [0, 2.0, True])
def test_channels_must_be_positive_integers(network, argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must be a positive integer, got {value}$"):
        network(**{"in_channels": 2, "out_channels": 2, argument: value})
