import pytest
import torch
from equations import assert_gradient_everywhere, weights

from segbench.errors import CheckpointError, ConfigError

smp = pytest.importorskip("segmentation_models_pytorch")

from segbench.models.smp import SMP  # noqa: E402 - not without the package
from segbench.models.stored import stored_network  # noqa: E402


@pytest.mark.parametrize("arch", ["Unet", "unetplusplus", "FPN", "DeepLabV3Plus"])
def test_the_network_is_the_library_s(arch):
    torch.manual_seed(0)
    ours = SMP(2, 3, arch, "resnet18")
    torch.manual_seed(0)
    theirs = smp.create_model(arch, "resnet18", None, 2, 3)
    assert weights(ours) == weights(theirs)
    image = torch.randn(2, 2, 64, 32)
    results = []
    for network in (ours, theirs):
        torch.manual_seed(1)  # some draw dropout
        results.append(network(image))
    assert torch.equal(*results)
    assert torch.equal(ours.eval()(image), theirs.eval()(image))


@pytest.mark.parametrize("arch", ["PSPNet", "DeepLabV3", "UPerNet"])
def test_one_image_can_be_trained_on(arch):
    network = SMP(1, 2, arch)
    logits = network(torch.randn(1, 1, 64, 64))
    assert logits.shape == (1, 2, 64, 64)
    assert torch.isfinite(logits).all()


def test_gradient_arguments_and_stride():
    torch.manual_seed(0)
    network = SMP(1, 2, "Unet", arguments={"decoder_channels": [32, 16, 8, 4, 4]})
    assert network.network.segmentation_head[0].weight.shape == (2, 4, 3, 3)
    assert (network.stride, SMP(1, 1, "DeepLabV3Plus").stride) == (32, 16)
    assert_gradient_everywhere(network, network(torch.randn(2, 1, 128, 128)))


def test_parts_whose_sizes_follow_the_classes_are_named():
    one, two = (dict(SMP(1, k).named_parameters()) for k in (1, 2))
    different = [name for name in one if one[name].shape != two[name].shape]
    assert different
    assert all(name.startswith(f"{SMP.heads[0]}.") for name in different)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": "Unett"}, r"^model.arch=Unett: no such architecture; did you mean Unet\?$"),
        ({"encoder": "resnet17"}, r"^model.encoder=resnet17: no such encoder; did you mean resnet\d+\?$"),
        (
            {"encoder_weights": "imagnet"},
            "^model.encoder_weights=imagnet: resnet18 has no such weights; use null or one of imagenet, ssl, swsl$",
        ),
    ],
)
def test_what_the_library_does_not_have_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SMP(1, 1, **options)


def test_weights_that_cannot_be_fetched_say_so(monkeypatch):
    def fail(*_, **__):
        raise OSError("no network\nno address")

    monkeypatch.setattr(smp.encoders, "hf_hub_download", fail)
    with pytest.raises(CheckpointError, match=r"^model.encoder_weights=imagenet: download failed \(OSError\); .*$"):
        SMP(3, 1, encoder_weights="imagenet")


def test_the_command_line_s_arguments_reach_the_library(compose):
    from segbench.configuration.build import build
    from segbench.configuration.schema import validate

    cfg = compose("model=smp", "model.arch=FPN", "+model.arguments.decoder_segmentation_channels=64")
    validate(cfg)
    network = build("model", cfg, in_channels=1, out_channels=2)
    assert type(network.network).__name__ == "FPN"
    assert network.network.segmentation_head[0].in_channels == 64


# The library makes the head of a classifier for these encoders, and drops it.
@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v2", "vgg11"])
def test_a_stored_network_is_built_again(encoder):
    network = SMP(1, 2, "Unet", encoder)
    arguments = {"arch": "Unet", "encoder": encoder, "encoder_weights": "imagenet"}
    again = stored_network("segbench.models.smp.SMP", arguments, (1, 2), network.state_dict(), trust=False)
    assert weights(again) == weights(network)


def test_a_stored_network_names_no_address():
    arguments = {"arch": "Unet", "encoder": "tu-hf-hub:someone/network"}
    with pytest.raises(CheckpointError, match="no name of an encoder"):
        stored_network("segbench.models.smp.SMP", arguments, (1, 2), {"a": torch.zeros(1)}, trust=False)
