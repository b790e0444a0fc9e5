import pytest
import torch
from equations import assert_gradient_everywhere, weights
from tests.oracles import monai

from segbench.errors import CheckpointError, ConfigError
from segbench.models.monai import Monai


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
    theirs = getattr(monai.networks.nets, arch)(spatial_dims=2, in_channels=2, out_channels=3, **arguments).eval()
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


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_fills_all_but_the_layers_of_the_classes(tmp_path, channels):
    torch.manual_seed(0)
    stored = monai.networks.nets.SegResNet(spatial_dims=2, init_filters=8, in_channels=3, out_channels=7).state_dict()
    torch.save({"state_dict": stored, "epoch": 3}, tmp_path / "model.pt")
    network = Monai(channels, 2, "SegResNet", {"init_filters": 8}, pretrained=str(tmp_path / "model.pt"))
    found = network.network.state_dict()
    heads = tuple(head.removeprefix("network.") for head in network.heads)
    for name, value in found.items():
        if name == "convInit.conv.weight" and channels == 1:
            torch.testing.assert_close(value, stored[name].sum(dim=1, keepdim=True))
        elif not name.startswith(heads):
            assert torch.equal(value, stored[name]), name
    # And an export's, whose names begin with network.
    torch.save(network.state_dict(), tmp_path / "export.pt")
    again = Monai(channels, 2, "SegResNet", {"init_filters": 8}, pretrained=str(tmp_path / "export.pt"))
    assert torch.equal(again.network.convInit.conv.weight, network.network.convInit.conv.weight)
    with pytest.raises(
        CheckpointError, match=r"weights of another network \(.* is missing and \d+ more do not match\)$"
    ):
        Monai(channels, 2, "UNet", pretrained=str(tmp_path / "model.pt"))
    with pytest.raises(CheckpointError, match="the network has no published ones$"):
        Monai(1, 2, "UNet", pretrained="imagenet")


@pytest.mark.slow
def test_presets_are_the_published_networks(compose):
    from segbench.configuration.build import build

    dynunet = build("model", compose("model=monai_dynunet"), in_channels=1, out_channels=2)
    # As nnU-Net plans for 128 to 255 pixels: six stages of two convolutions, without biases; counted by hand.
    filters, counted = (32, 64, 128, 256, 512, 512), 0
    for before, here in zip((1, *filters), filters, strict=False):
        counted += 9 * (before + here) * here + 4 * here
    for below, here in zip(filters[1:], filters, strict=False):
        counted += 4 * below * here + 9 * 3 * here * here + 4 * here
    assert weights(dynunet) == counted + 2 * (32 + 1)
    swin = build("model", compose("model=monai_swinunetr"), in_channels=1, out_channels=2).network
    assert (len(swin.swinViT.layers1[0].blocks), swin.swinViT.embed_dim) == (2, 24)
    for choice in (dynunet, swin):
        # The lowest stage has one pixel.
        assert torch.isfinite(choice(torch.randn(1, 1, 32, 32))).all()


def test_the_command_line_s_arguments_reach_the_library(compose):
    from segbench.configuration.build import build
    from segbench.configuration.schema import validate

    for override in ("model.arguments={channels:[4,8],strides:[2]}", "+model.arguments.channels=[4,8]"):
        cfg = compose("model=monai", override, *(["+model.arguments.strides=[2]"] * override.startswith("+")))
        validate(cfg)
        network = build("model", cfg, in_channels=1, out_channels=2)
        assert tuple(network.network.channels) == (4, 8)
