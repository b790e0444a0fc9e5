"""The network equals formulas, and the planned one that of dynamic_network_architectures 0.4.4, nnU-Net's own, by count."""

import pytest
import torch
from equations import Layers, assert_gradient_everywhere, bilinear, randomised, weights
from torch.nn import functional

from segbench.errors import ConfigError
from segbench.losses import CrossEntropy
from segbench.models import ResEncUNet
from segbench.tasks import SegmentationTask


def residual(layers, x, name, stride):
    y = leaky(layers, layers.conv(x, f"{name}.first.0", stride=stride), f"{name}.first.1")
    y = norm(layers, layers.conv(y, f"{name}.second.0"), f"{name}.second.1")
    if max(stride) > 1:
        x = x.unfold(2, stride[0], stride[0]).unfold(3, stride[1], stride[1]).mean(dim=(4, 5))
    place = 1 if max(stride) > 1 else 0
    if f"{name}.shortcut.{place}.weight" in layers.w:
        x = norm(layers, layers.conv(x, f"{name}.shortcut.{place}"), f"{name}.shortcut.{place + 1}")
    return lrelu(x + y)


def norm(layers, x, name):
    mean, var = x.mean(dim=(2, 3), keepdim=True), x.var(dim=(2, 3), keepdim=True, unbiased=False)
    return (x - mean) / (var + 1e-5).sqrt() * layers.w[f"{name}.weight"][:, None, None] + layers.w[f"{name}.bias"][
        :, None, None
    ]


def lrelu(x):
    return torch.where(x > 0, x, 0.01 * x)


def leaky(layers, x, name):
    return lrelu(norm(layers, x, name))


class Formula(Layers):
    def conv(self, x, name, dilation=1, stride=1):
        kernel, bias = self.w[f"{name}.weight"], self.w.get(f"{name}.bias")
        padding = [side // 2 for side in kernel.shape[-2:]]
        return functional.conv2d(x, kernel, bias, stride=stride, padding=padding)


@pytest.mark.parametrize(("size", "spacing"), [((32, 64), (1, 1)), ((32, 64), (1, 5))])
def test_logits_and_inner_outputs_agree_with_formulas(size, spacing):
    torch.manual_seed(0)
    network = randomised(ResEncUNet(2, 3, size, spacing, width=2, deep_supervision=True)).train()
    layers, image = Formula(network), torch.randn(2, 2, 32, 96, dtype=torch.float64)
    plan, skips = network.plan, []
    x = leaky(layers, layers.conv(image, "encoder.stem.0"), "encoder.stem.1")
    for stage, count in enumerate(plan.blocks):
        for block in range(count):
            stride = plan.strides[stage] if block == 0 else (1, 1)
            x = residual(layers, x, f"encoder.stages.{stage}.{block}", stride)
        skips.append(x)
    sides = []
    for step, skip in enumerate(skips[-2::-1]):
        kernel, bias = layers.w[f"ups.{step}.weight"], layers.w[f"ups.{step}.bias"]
        up = torch.einsum("bchw,cdij->bdhiwj", x, kernel).flatten(4, 5).flatten(2, 3) + bias[:, None, None]
        x = leaky(layers, layers.conv(torch.cat((up, skip), dim=1), f"blocks.{step}.0"), f"blocks.{step}.1")
        sides.append(x)
    outputs = network(image)
    torch.testing.assert_close(outputs.logits, layers.conv(x, "head"), rtol=1e-9, atol=1e-9)
    expected = [bilinear(layers.conv(sides[-2 - i], f"side_heads.{i}"), 32, 96) for i in range(len(plan.filters) - 3)]
    assert len(outputs.side_logits) == len(expected) >= 1
    for found, other in zip(outputs.side_logits, expected, strict=True):
        torch.testing.assert_close(found, other, rtol=1e-9, atol=1e-9)
    assert outputs.side_weights == (0.5, 0.25, 0.125, 0.0625)[: len(expected)]
    torch.testing.assert_close(network.eval()(image), outputs.logits, rtol=1e-9, atol=1e-9)


def by_hand(filters, blocks, channels, classes):
    """Weights of an isotropic plan: 3x3 convolutions with biases, factor and bias of each norm."""

    def unit(before, after):
        return 9 * before * after + 3 * after

    total, before = unit(channels, filters[0]), filters[0]
    for here, count in zip(filters, blocks, strict=True):
        total += unit(before, here) + (2 * count - 1) * unit(here, here)
        total += before * here + 2 * here if before != here else 0
        before = here
    for below, here in zip(filters[1:], filters, strict=False):
        total += 4 * below * here + here + unit(2 * here, here)
    return total + classes * (filters[0] + 1)


def test_weights_are_those_of_nnunet_s_own_network():
    with torch.device("meta"):
        network = ResEncUNet(1, 2, (256, 256))
        planned = ResEncUNet(1, 2, (96, 96), width=16)
    # Theirs: 105,916,812 and 9,438,408 with heads in every decoder stage, of which ours has the last.
    assert weights(network) == by_hand((32, 64, 128, 256, 512, 512, 512), (1, 3, 4, 6, 6, 6, 6), 1, 2)
    assert weights(network) == 105_916_812 - 2 * (64 + 128 + 256 + 512 + 512 + 5) == 105_913_858
    assert weights(planned) == 9_438_408 - 2 * (32 + 64 + 128 + 3)
    assert f"{weights(network):,} parameters" in ResEncUNet.__doc__.replace("\n    ", " ")


def test_it_begins_as_its_shortcuts_and_gradient_reaches_every_weight():
    torch.manual_seed(0)
    network = ResEncUNet(1, 2, (16, 16), width=4)
    block = network.encoder.stages[1][1]
    x = torch.randn(2, 8, 8, 8)
    assert torch.equal(block(x.clone()), functional.leaky_relu(x, 0.01))
    kernel = network.encoder.stages[2][3].first[0].weight
    assert float(kernel.detach().std()) == pytest.approx((2 / (1 + 0.01**2) / kernel[0].numel()) ** 0.5, rel=0.1)
    randomised(network)
    assert_gradient_everywhere(network, network(torch.randn(2, 1, 32, 32, dtype=torch.float64)))


@pytest.mark.parametrize("training", [True, False])
def test_images_of_any_size_even_of_one_pixel_at_the_lowest_stage(training):
    torch.manual_seed(0)
    network = ResEncUNet(1, 3, (40, 64), (1, 3), width=2, deep_supervision=True)
    assert network.stride == 8
    task = SegmentationTask(
        network, CrossEntropy(), lambda weights: torch.optim.SGD(weights, 0.1), None, ["a", "b", "c"]
    ).train(training)
    for size in ((8, 8), (1, 5), (13, 37)):
        logits = task(torch.randn(1, 1, *size))
        assert logits.shape == (1, 3, *size)
        assert torch.isfinite(logits).all()


@pytest.fixture
def planned(compose):
    from segbench.assembly import build_data, build_task

    def size(*overrides):
        cfg = compose("model=resenc_unet", "model.width=2", *overrides)
        return build_task(cfg, build_data(cfg)).network.planned["size"]

    return size


def test_the_images_decide_the_size_unless_it_is_given(planned):
    assert planned() == [96, 96]


@pytest.mark.slow
def test_crops_tiles_and_what_is_not_known_before_it_is_read(planned):
    assert planned("data.size=[24,40]") == [24, 40]
    assert planned("data=cells", "data.size=[64,96]", "data.tiles=2x3") == [32, 32]
    assert planned("data=cityscapes", "data.input=crop", "data.size=[64,32]") == [64, 32]
    assert planned("data=cells", "model.size=[512,640]") == [512, 640]
    with pytest.raises(
        ConfigError, match=r"^model: size=null: the images' size is not known .*; set \[height, width\]$"
    ):
        planned("data=cells")
    with pytest.raises(ConfigError, match=r"^model: size=\[4, 4\]: too small to be halved once"):
        planned("data.size=[4,4]")
    with pytest.raises(ConfigError, match=r"size=\[16, 16\] gives 3 stages, too few for deep_supervision=true$"):
        planned("data.size=[16,16]", "model.deep_supervision=true")


@pytest.mark.slow
def test_it_is_trained_and_predicts(run, tiny, tmp_path):
    import numpy as np
    from PIL import Image

    from segbench.api import Predictor

    settings = ["model=resenc_unet", "model.width=2", "model.deep_supervision=true", "data.size=[32,40]"]
    summary = run(tiny(tmp_path, *settings, "trainer.max_epochs=1"), tmp_path / "run")
    assert summary["epochs"] == 1
    assert np.isfinite(summary["scores"]["test"]["dice"])
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    assert Predictor.load(tmp_path / "run")(pixels).shape == (50, 70)
