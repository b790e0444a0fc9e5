import pytest
import safetensors.torch
import torch
from equations import Layers, assert_gradient_everywhere, bilinear, randomised, weights
from tests.oracles import monai

from segbench.errors import CheckpointError
from segbench.models import FCN, DeepLabV3, SegNet
from segbench.models.resnet import ResNet18


def monai_backbone():
    torch.manual_seed(0)
    network = monai.networks.nets.resnet18(
        spatial_dims=2, n_input_channels=3, conv1_t_stride=2, num_classes=1000, bias_downsample=False
    )
    return randomised(network).eval()


@pytest.mark.slow
def test_backbone_equals_another_implementation_with_the_same_weights():
    theirs = monai_backbone()
    stored = {name: value for name, value in theirs.state_dict().items() if not name.startswith("fc.")}
    ours = ResNet18(3).double().eval()
    ours.load_state_dict(stored)
    image = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    x = theirs.maxpool(theirs.act(theirs.bn1(theirs.conv1(image))))
    for ours_stage, stage in zip(
        ours(image), (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4), strict=True
    ):
        x = stage(x)
        torch.testing.assert_close(ours_stage, x, rtol=1e-9, atol=1e-9)
    # The published count, less its classifier of 512 x 1000 weights and 1000 biases.
    assert weights(ours) == 11_689_512 - 513_000


@pytest.mark.parametrize(("stride", "dilations"), [(32, (1, 1, 1, 1)), (16, (1, 1, 1, 2)), (8, (1, 1, 2, 4))])
def test_output_stride_trades_strides_for_dilation(stride, dilations):
    network = ResNet18(1, width=2, output_stride=stride).eval()
    assert network(torch.zeros(1, 1, 64, 32))[-1].shape == (1, 16, 64 // stride, 32 // stride)
    found = [getattr(network, f"layer{stage}")[1].conv1.dilation[0] for stage in (1, 2, 3, 4)]
    assert tuple(found) == dilations


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("stride", "rates"), [(16, (6, 12, 18)), (8, (12, 24, 36))])
def test_pyramid_and_head_agree_with_the_papers_formulas(training, stride, rates):
    torch.manual_seed(0)
    network = randomised(DeepLabV3(1, 3, width=2, output_stride=stride, aspp_channels=4)).train(training)
    layers, image = Layers(network), torch.randn(2, 1, 64, 96, dtype=torch.float64)
    result = network(image)
    network.load_state_dict(layers.w)  # running statistics as they were
    x = network.encoder(image)[-1]
    parts = [layers.unit(x, "aspp.branches.0")]
    parts += [layers.unit(x, f"aspp.branches.{1 + i}", rate) for i, rate in enumerate(rates)]
    pooled = layers.unit(x.mean(dim=(2, 3), keepdim=True), "aspp.pooling")
    parts.append(pooled.repeat(1, 1, *x.shape[2:]))
    logits = layers.conv(layers.unit(torch.cat(parts, dim=1), "aspp.project"), "head")
    torch.testing.assert_close(result, bilinear(logits, 64, 96), rtol=1e-9, atol=1e-9)


def test_weights_are_those_counted_by_hand():
    backbone = 11_689_512 - 513_000 - 2 * 64 * 49  # one channel in instead of three
    aspp = 512 * 256 * 2 + 3 * 512 * 256 * 9 + 5 * 256 * 256 + 6 * 2 * 256
    assert weights(DeepLabV3(1, 4)) == backbone + aspp + 256 * 4 + 4 == 15_303_108


def test_gradient_reaches_every_weight_and_one_image_can_be_trained_on():
    torch.manual_seed(0)
    network = DeepLabV3(2, 1, width=4, aspp_channels=8)
    # Large enough for the outer taps of the widest rate.
    assert_gradient_everywhere(network, network(torch.randn(2, 2, 320, 320)))
    alone = network(torch.randn(1, 2, 48, 32))
    assert alone.shape == (1, 1, 48, 32)
    assert torch.isfinite(alone).all()


@pytest.fixture
def published(tmp_path):
    """A file like the published one, classifier included."""
    stored = monai_backbone().float().state_dict()
    path = tmp_path / "resnet18.pth"
    torch.save({name: value for name, value in stored.items() if not name.endswith("num_batches_tracked")}, path)
    return path, stored


@pytest.mark.parametrize("channels", [3, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 4))])
def test_a_local_file_fills_the_backbone_and_fits_other_channels(published, channels):
    path, stored = published
    network = DeepLabV3(channels, 2, pretrained=str(path)).encoder.eval()
    torch.testing.assert_close(network.layer4[1].conv2.weight, stored["layer4.1.conv2.weight"])
    grey = torch.randn(1, 1, 32, 32)
    original = ResNet18(3, output_stride=16).eval()
    original.load_state_dict({name: value for name, value in stored.items() if not name.startswith("fc.")})
    expected = original(grey.expand(-1, 3, -1, -1))[-1]
    torch.testing.assert_close(network(grey.expand(-1, channels, -1, -1))[-1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [DeepLabV3, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (FCN, SegNet))])
def test_the_backbone_of_an_exported_network_is_taken_from_safetensors(tmp_path, kind):
    torch.manual_seed(0)
    path, small = tmp_path / "model.safetensors", {"fully_connected": 4} if kind is FCN else {}
    exported = randomised(kind(1, 4, width=2, **small))
    safetensors.torch.save_file(exported.float().state_dict(), path)
    network = kind(1, 2, width=2, pretrained=str(path), **small)
    for name, value in network.encoder.state_dict().items():
        # The fully connected layers are published with 4096 channels only.
        if not name.startswith("classifier."):
            assert torch.equal(value, exported.encoder.state_dict()[name]), name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"^model.pretrained=.*: not a weights file \(.*\)$"):
        kind(1, 2, width=2, pretrained=str(path), **small)


@pytest.mark.slow
def test_weights_of_another_network_are_refused(tmp_path, published):
    other = tmp_path / "other.pth"
    torch.save(torch.nn.Conv2d(1, 1, 1).state_dict(), other)
    with pytest.raises(CheckpointError, match=r"^model.pretrained=.*other.pth: weights of another network \(.*\)$"):
        DeepLabV3(1, 1, pretrained=str(other))
    with pytest.raises(CheckpointError, match=r"is \(64, 3, 7, 7\) there .* need model.width=64$|conv1.weight is"):
        DeepLabV3(3, 1, width=32, pretrained=str(published[0]))
    torch.save([1, 2], other)
    with pytest.raises(CheckpointError, match="not a state dict"):
        DeepLabV3(1, 1, pretrained=str(other))
    other.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"^model.pretrained=.*: not a weights file \(.*\)$"):
        DeepLabV3(1, 1, pretrained=str(other))
    with pytest.raises(CheckpointError, match="No such file"):
        DeepLabV3(1, 1, pretrained=str(tmp_path / "none.pth"))


def test_imagenet_without_a_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("segbench.models.deeplab.RESNET18_URL", "http://127.0.0.1:9/resnet18-f37072fd.pth")
    with pytest.raises(CheckpointError, match=r"^model.pretrained=imagenet: cannot download .* give its path$"):
        DeepLabV3(1, 1, pretrained="imagenet")


@pytest.mark.slow
def test_imagenet_is_taken_from_torch_s_store_once_fetched(monkeypatch, tmp_path, published):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    published[0].rename(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    network = DeepLabV3(3, 1, pretrained="imagenet")
    torch.testing.assert_close(network.encoder.conv1.weight.data, published[1]["conv1.weight"])


@pytest.mark.parametrize("stride", [4, 32, 12])
def test_other_output_strides_are_refused(stride):
    with pytest.raises(ValueError, match=f"^output_stride must be 8 or 16, got {stride}$"):
        DeepLabV3(1, 1, output_stride=stride)
