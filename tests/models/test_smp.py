import re
import time

import pytest
import safetensors.torch
import torch
from equations import assert_gradient_everywhere, weights

from segbench.errors import CheckpointError, ConfigError

smp = pytest.importorskip("segmentation_models_pytorch")
huggingface_hub = pytest.importorskip("huggingface_hub")
timm = pytest.importorskip("timm")

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
        ({"encoder": "tu-nonesuch", "pretrained": "imagenet"}, "^model.encoder=tu-nonesuch: no such encoder"),
    ],
)
def test_what_the_library_does_not_have_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SMP(1, 1, **options)


@pytest.fixture(autouse=True)
def empty_stores(monkeypatch, tmp_path):
    """Nothing was downloaded before, and the hub lies where nothing answers."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_url", lambda *repository, **_: f"http://127.0.0.1:9/{repository[0]}")


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18", "tu-resnet18.a1_in1k", "mit_b0"])
def test_offline_is_one_line_at_once(encoder, capfd, caplog):
    begun = time.monotonic()
    with pytest.raises(CheckpointError) as caught:
        SMP(3, 1, encoder=encoder, pretrained="imagenet")
    message = r"model.pretrained=imagenet: cannot download http://\S+ \(.*refused\); get the file and give its path"
    assert re.fullmatch(message, str(caught.value))
    assert time.monotonic() - begun < 5
    assert capfd.readouterr().err == ""
    assert [record.message.partition(" ")[0] for record in caplog.records] in ([], ["model.pretrained=imagenet:"])


def test_a_name_of_no_published_weights_is_told_which_there_are():
    with pytest.raises(
        CheckpointError, match="^model.pretrained=imagnet: No such .*; published are imagenet, ssl and swsl$"
    ):
        SMP(1, 1, pretrained="imagnet")


def published(encoder):
    """Weights as they are published: of an encoder for colour images, with its classifier."""
    torch.manual_seed(1)
    if encoder.startswith("tu-"):
        return timm.create_model(encoder[3:], pretrained=False).state_dict()
    stored = SMP(3, 1, "Unet", encoder).network.encoder.state_dict()
    return stored | {"mit_b0": {"head.weight": torch.ones(1)}}.get(encoder, {"fc.weight": torch.ones(1)})


@pytest.mark.parametrize(
    ("encoder", "first", "last"),
    [
        ("resnet18", "conv1.weight", "layer4.1.bn2.running_var"),
        ("mit_b0", "patch_embed1.proj.weight", "block4.1.mlp.fc2.weight"),
        ("tu-resnet18", "model.conv1.weight", "model.layer4.1.bn2.running_var"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_fills_the_encoder_for_any_channels(tmp_path, encoder, first, last, channels):
    stored = published(encoder)
    safetensors.torch.save_file(stored, tmp_path / "weights.safetensors")
    network = SMP(channels, 2, "Unet", encoder, str(tmp_path / "weights.safetensors"))
    found = network.network.encoder.state_dict()
    kernel = stored[first.removeprefix("model.")]
    torch.testing.assert_close(found[first], kernel if channels == 3 else kernel.sum(dim=1, keepdim=True))
    assert torch.equal(found[last], stored[last.removeprefix("model.")])
    # And that of a whole network, as an export has it.
    safetensors.torch.save_file(network.state_dict(), tmp_path / "network.safetensors")
    again = SMP(channels, 1, "Unet", encoder, str(tmp_path / "network.safetensors")).network.encoder.state_dict()
    assert all(torch.equal(again[name], found[name]) for name in found)


# Of the one the library renames layers, the other is an encoder without its last ones.
@pytest.mark.parametrize("encoder", ["tu-convnext_atto", "tu-mobilenetv3_small_050"])
def test_encoders_of_timm_that_are_no_plain_part_of_its_network(tmp_path, encoder):
    stored = published(encoder)
    safetensors.torch.save_file(stored, tmp_path / "weights.safetensors")
    torch.manual_seed(2)
    network = SMP(3, 2, "Unet", encoder, str(tmp_path / "weights.safetensors"))
    found = network.network.encoder.state_dict()
    same = {name.removeprefix("model.").replace("_0.", ".0.").replace("stages_", "stages."): name for name in found}
    assert len([name for name in same if name in stored]) > 100
    assert all(torch.equal(found[same[name]], stored[name]) for name in same if name in stored)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "network.safetensors")
    again = SMP(3, 1, "Unet", encoder, str(tmp_path / "network.safetensors")).network.encoder.state_dict()
    assert all(torch.equal(again[name], found[name]) for name in found)


def test_a_deeper_network_of_timm_does_not_lend_its_first_layers(tmp_path):
    torch.save(published("tu-resnet34"), tmp_path / "weights.pth")
    message = r"weights of another network \(unexpected layer1\.2\.conv1\.weight\)$"
    with pytest.raises(CheckpointError, match=message):
        SMP(3, 1, encoder="tu-resnet18", pretrained=str(tmp_path / "weights.pth"))


def test_published_weights_come_from_the_hub_s_own_store_or_its_address(tmp_path, monkeypatch):
    stored = published("resnet18")
    safetensors.torch.save_file(stored, tmp_path / "kept.safetensors")
    asked = []

    def kept(repository, name, revision):
        asked.append((repository, name, len(revision)))
        return str(tmp_path / "kept.safetensors")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", kept)
    found = SMP(3, 2, pretrained="imagenet").network.encoder.state_dict()
    assert asked == [("smp-hub/resnet18.imagenet", "model.safetensors", 40)]
    assert torch.equal(found["layer3.0.conv1.weight"], stored["layer3.0.conv1.weight"])


@pytest.mark.parametrize("encoder", ["resnet18", "mit_b0", "tu-resnet18"])
def test_weights_of_another_encoder_are_refused_in_one_line(tmp_path, encoder):
    path = tmp_path / "weights.pth"
    torch.save(published("resnet18" if encoder == "mit_b0" else "mit_b0"), path)
    with pytest.raises(
        CheckpointError, match=rf"^model\.pretrained={path}: weights of another network \(.+\)$"
    ) as caught:
        SMP(3, 1, encoder=encoder, pretrained=str(path))
    assert len(str(caught.value).partition("(")[2]) < 80
    stored = published(encoder)
    name = next(name for name, value in stored.items() if value.dim() == 1)
    torch.save(stored | {name: torch.ones(3)}, path)
    with pytest.raises(CheckpointError, match=r"weights of another network \(size mismatch for \S+\)$"):
        SMP(3, 1, encoder=encoder, pretrained=str(path))


@pytest.mark.parametrize(
    ("choice", "kind", "stride", "counted"),
    [
        ("smp_unet_resnet34", "Unet", 32, 24_436_369),
        # Published with 150 classes: 3,752,694.
        ("smp_segformer_b0", "Segformer", 32, 3_752_694 - 149 * 257),
        ("smp_deeplabv3plus", "DeepLabV3Plus", 16, 22_437_457),
    ],
)
def test_presets(compose, choice, kind, stride, counted):
    from segbench.configuration.build import build

    network = build("model", compose(f"model={choice}"), in_channels=3, out_channels=1)
    assert (type(network.network).__name__, network.stride, weights(network)) == (kind, stride, counted)


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
    arguments = {"arch": "Unet", "encoder": encoder, "encoder_weights": None, "pretrained": "imagenet"}
    again = stored_network("segbench.models.smp.SMP", arguments, (1, 2), network.state_dict(), trust=False)
    assert weights(again) == weights(network)


def test_a_stored_network_names_no_address():
    arguments = {"arch": "Unet", "encoder": "tu-hf-hub:someone/network"}
    with pytest.raises(CheckpointError, match="no name of an encoder"):
        stored_network("segbench.models.smp.SMP", arguments, (1, 2), {"a": torch.zeros(1)}, trust=False)
