"""The published weights' file is made here, in torchvision's key layout."""

import hashlib
import zipfile
from pathlib import Path

import pytest
import torch
from equations import weights

from segbench.errors import CheckpointError
from segbench.models import FCN, SegNet, SegNetASPP, vgg, weight_files
from segbench.models.vgg import VGG16

WIDTH = 2
# Indices of the convolutions in torchvision's vgg16().features and vgg16_bn().features.
PLAIN = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
NORMED = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)
FILTERS = (1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 8)


def published(normed=False, nodes=4096):
    generator, stored, before = torch.Generator().manual_seed(0), {}, 3

    def draw(*shape):
        return torch.randn(*shape, generator=generator) / 5

    for index, filters in zip(NORMED if normed else PLAIN, FILTERS, strict=True):
        stored[f"features.{index}.weight"] = draw(WIDTH * filters, before, 3, 3)
        stored[f"features.{index}.bias"] = draw(WIDTH * filters)
        before = WIDTH * filters
        if normed:
            for name in ("weight", "bias", "running_mean", "running_var"):
                stored[f"features.{index + 1}.{name}"] = draw(before).abs() + 0.5
    for index, (after, inner) in {0: (nodes, before * 49), 3: (nodes, nodes), 6: (10, nodes)}.items():
        stored[f"classifier.{index}.weight"], stored[f"classifier.{index}.bias"] = draw(after, inner), draw(after)
    return stored


@pytest.fixture
def file(tmp_path):
    """Write a file like the published one; the classifier is small where it is left out anyway."""

    def written(change=lambda stored: None, nodes=3, normed=False):
        stored = published(normed, nodes)
        change(stored)
        torch.save(stored, tmp_path / "vgg16.pth")
        return str(tmp_path / "vgg16.pth"), stored

    return written


def plain_vgg(stored, image):
    """Return what the five poolings of a VGG16 without batch normalisation give, by formula."""
    x, results = image, []
    for step, index in enumerate(PLAIN):
        x = torch.nn.functional.conv2d(
            x, stored[f"features.{index}.weight"], stored[f"features.{index}.bias"], padding=1
        )
        x = x.clamp(min=0)
        if step in (1, 3, 6, 9, 12):
            x = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax(dim=(3, 5))
            results.append(x)
    return results


@pytest.mark.parametrize("normed", [False, True])
def test_layers_have_the_published_places_and_numbers(normed):
    with torch.device("meta"):
        network = VGG16(3, batch_norm=normed)
    found = [int(name.split(".")[1]) for name, value in network.state_dict().items() if value.dim() == 4]
    assert tuple(found) == (NORMED if normed else PLAIN)
    assert network.channels == (64, 128, 256, 512, 512)
    # The published counts less the classifier of 25088 x 4096, 4096 x 4096 and 4096 x 1000 weights and biases.
    assert weights(network) == (138_365_992 if normed else 138_357_544) - 123_642_856


def test_plain_weights_are_those_of_the_published_network_in_evaluation_with_and_without_normalisation(file):
    path, stored = file()
    image = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    expected = plain_vgg(stored, image)
    for network in (VGG16(3, WIDTH, pretrained=path), SegNet(3, 2, WIDTH, pretrained=path).encoder):
        found, _ = network.eval()(image)
        for a, b in zip(found, expected, strict=True):
            # Batch normalisation as it starts divides by sqrt(1 + 1e-5), 13 times.
            torch.testing.assert_close(a, b, rtol=3e-4, atol=1e-4)


def test_normalisation_comes_along_where_the_file_has_it(file):
    path, stored = file(normed=True)
    network = SegNetASPP(3, 2, WIDTH, aspp_channels=2, pretrained=path).encoder
    found = network.state_dict()
    compared = [name for name in stored if name.startswith("features.")]
    assert len(compared) == 13 * 6
    assert all(torch.equal(found[name], stored[name]) for name in compared)


@pytest.mark.slow
def test_fully_connected_layers_become_convolutions(file):
    path, stored = file(nodes=4096)
    network = FCN(3, 2, WIDTH, pretrained=path).eval()
    image = torch.randn(1, 3, 224, 224)
    pooled, _ = network.encoder(image)
    inner = torch.relu(pooled[4].flatten(1) @ stored["classifier.0.weight"].T + stored["classifier.0.bias"])
    inner = torch.relu(inner @ stored["classifier.3.weight"].T + stored["classifier.3.bias"])
    # In the middle of 7 x 7 features the convolution sees what the fully connected layer sees: all of them.
    found = network.encoder.classifier(pooled[4])[:, :, 3, 3]
    torch.testing.assert_close(found, inner, rtol=1e-3, atol=1e-3)


def test_other_numbers_of_nodes_leave_the_fully_connected_layers_random(file):
    path, stored = file()
    torch.manual_seed(0)
    drawn = FCN(3, 2, WIDTH, fully_connected=6).state_dict()
    torch.manual_seed(0)
    found = FCN(3, 2, WIDTH, fully_connected=6, pretrained=path).state_dict()
    for name, value in found.items():
        own = name.removeprefix("encoder.")
        expected = stored[own] if own.startswith("features.") else drawn[name]
        assert torch.equal(value, expected), name


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_answer_to_grey_as_the_published_ones(file, channels):
    path, stored = file()
    grey = torch.rand(1, 1, 32, 32)
    found, _ = VGG16(channels, WIDTH, pretrained=path)(grey.expand(-1, channels, -1, -1))
    torch.testing.assert_close(found[-1], plain_vgg(stored, grey.expand(-1, 3, -1, -1))[-1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("build", [SegNet, lambda *_, **options: FCN(3, 2, WIDTH, fully_connected=4, **options)])
def test_missing_extra_and_misshapen_weights_are_refused_by_the_file_s_own_name(file, build):
    for change, message in (
        (
            lambda stored: stored.pop("features.7.weight"),
            r"weights of another network \(features.7.weight is missing\)",
        ),
        (lambda stored: stored.update({"features.30.bias": torch.zeros(1)}), "VGG16 has no features.30.bias"),
        (lambda stored: stored.update({"head.weight": torch.zeros(1)}), "VGG16 has no head.weight"),
        (
            lambda stored: stored.update({"features.5.weight": torch.zeros(4, 3, 3, 3)}),
            r"features.5.weight is \(4, 3, 3, 3\) there and \(4, 2, 3, 3\) here",
        ),
        (
            lambda stored: stored.update({"features.2.bias": torch.zeros(3)}),
            r"features.2.bias is \(3,\) there and \(2,\)",
        ),
        (dict.clear, r"features.0.weight is missing and \d+ more do not match"),
    ):
        path, _ = file(change)
        with pytest.raises(CheckpointError, match=f"^model.pretrained={path}: .*{message}") as caught:
            build(3, 2, WIDTH, pretrained=path)
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_missing_fully_connected_layer_is_refused_where_it_is_needed(file):
    path, _ = file(lambda stored: stored.pop("classifier.3.bias"), nodes=4096)
    with pytest.raises(CheckpointError, match="classifier.3.bias is missing"):
        VGG16(3, WIDTH, fully_connected=4096, pretrained=path)
    VGG16(3, WIDTH, pretrained=path)


def test_imagenet_weights_are_asked_for_at_the_published_address(monkeypatch, tmp_path, file):
    asked, (path, stored) = [], file()

    def fetch(url):
        asked.append(url)
        return Path(path).read_bytes()

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weight_files, "fetch", fetch)
    with pytest.raises(CheckpointError, match=r"vgg16-397923af.pth has the SHA-256 [0-9a-f]{8}, not 397923af$"):
        SegNet(3, 2, WIDTH, pretrained="imagenet")
    own = f"https://example.org/vgg16-{hashlib.sha256(Path(path).read_bytes()).hexdigest()[:8]}.pth"
    monkeypatch.setattr(vgg, "VGG16_URL", own)
    for _ in range(2):
        network = SegNet(3, 2, WIDTH, pretrained="imagenet")
        assert torch.equal(network.encoder.features[3].weight, stored["features.2.weight"])
    assert asked == ["https://download.pytorch.org/models/vgg16-397923af.pth", own]


def test_random_weights_are_he_s_with_bias_zero():
    torch.manual_seed(0)
    network = VGG16(3, 16, batch_norm=True, fully_connected=8)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            fan_in = layer.weight[0].numel()
            if layer.weight.numel() > 5000:
                assert float(layer.weight.detach().std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)
            assert not layer.bias.any()


@pytest.mark.parametrize("dropout", [-0.1, 1])
def test_an_impossible_dropout_is_refused(dropout):
    for build in (VGG16, lambda *_, **options: SegNetASPP(1, 1, 2, **options)):
        with pytest.raises(ValueError, match=f"^dropout must be at least 0 and below 1, got {dropout}$"):
            build(1, dropout=dropout)


@pytest.mark.slow
def test_a_file_that_unpacks_to_more_than_it_is_takes_no_such_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(weight_files, "_MEMORY", 2**26)
    torch.save({"features.0.weight": torch.zeros(2**25)}, tmp_path / "whole.pth")
    with (
        zipfile.ZipFile(tmp_path / "whole.pth") as whole,
        zipfile.ZipFile(tmp_path / "vgg16.pth", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
    ):
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    with pytest.raises(CheckpointError, match="not a weights file"):
        VGG16(3, WIDTH, pretrained=str(tmp_path / "vgg16.pth"))
