import pytest
import torch
from equations import assert_gradient_everywhere, weights

from segbench.errors import ConfigError

nets = pytest.importorskip("monai.networks.nets")

from segbench.models.monai import Monai  # noqa: E402 - not without the package


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "given", "arguments"),
    [
        ("UNet", None, {"channels": (16, 32, 64, 128, 256), "strides": (2, 2, 2, 2)}),
        ("UNet", {"channels": [4, 8], "strides": [2]}, {"channels": (4, 8), "strides": (2,)}),
        ("AttentionUnet", {"channels": [4, 8], "strides": [2]}, {"channels": (4, 8), "strides": (2,)}),
        ("SegResNet", {"init_filters": 8}, {"init_filters": 8}),
        ("SwinUNETR", {"feature_size": 12}, {"feature_size": 12}),
    ],
)
def test_the_network_is_the_library_s(arch, given, arguments):
    torch.manual_seed(0)
    ours = Monai(2, 3, arch, given).eval()
    torch.manual_seed(0)
    theirs = getattr(nets, arch)(spatial_dims=2, in_channels=2, out_channels=3, **arguments).eval()
    assert weights(ours) == weights(theirs)
    image = torch.randn(1, 2, 64, 32)
    assert torch.equal(ours(image), theirs(image))


def test_a_list_of_one_result_is_that_result():
    network = Monai(1, 2, "BasicUNetPlusPlus", {"features": [4, 4, 4, 4, 4, 4]})
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 2, 32, 32)


def test_gradient_reaches_every_weight():
    torch.manual_seed(0)
    network = Monai(1, 2, "UNet", {"channels": [4, 8, 8], "strides": [2, 2], "norm": "batch"})
    assert_gradient_everywhere(network, network(torch.randn(2, 1, 32, 32)))


@pytest.mark.parametrize("arch", ["UNet", "SegResNet"])
def test_parts_whose_sizes_follow_the_classes_are_found_and_nothing_is_drawn_for_it(arch):
    network = Monai(1, 3, arch)
    state = torch.random.get_rng_state()
    heads = network.heads
    assert torch.equal(state, torch.random.get_rng_state())
    other = dict(Monai(1, 5, arch).named_parameters())
    for name, weight in network.named_parameters():
        assert (weight.shape != other[name].shape) == name.startswith(tuple(f"{head}." for head in heads)), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": "Unett"}, r"^model.arch=Unett: MONAI has no such network; did you mean U[nN]et\?$"),
        (
            {"arch": "SegResNet", "arguments": {"init_filter": 8}},
            r"^model.arguments.init_filter: SegResNet takes no such argument; did you mean init_filters\?$",
        ),
        ({"arguments": {"in_channels": 8}}, "^model.arguments.in_channels: UNet takes no such argument"),
        (
            {"arch": "UNETR"},
            r"^model.arguments: UNETR needs img_size; \+model.arguments.img_size=...$",
        ),
    ],
)
def test_what_the_library_does_not_have_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Monai(1, 1, **options)


def test_the_command_line_s_arguments_reach_the_library(compose):
    from segbench.configuration.build import build
    from segbench.configuration.schema import validate

    for override in ("model.arguments={channels:[4,8],strides:[2]}", "+model.arguments.channels=[4,8]"):
        cfg = compose("model=monai", override, *(["+model.arguments.strides=[2]"] * override.startswith("+")))
        validate(cfg)
        network = build("model", cfg, in_channels=1, out_channels=2)
        assert tuple(network.network.channels) == (4, 8)
