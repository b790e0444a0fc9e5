import pytest
import torch
from equations import Layers, assert_gradient_everywhere, bilinear, weights

from segbench.models import FCN
from segbench.models.fcn import bilinear_upsampling

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("factor", [2, 8, 16, 32])
def test_upsampling_starts_bilinear_and_keeps_channels_apart(factor, groups):
    x = torch.randn(2, 3, 5, 6)
    found = bilinear_upsampling(3, factor, groups)(x)
    expected = bilinear(x, 5 * factor, 6 * factor)
    inner = (..., slice(factor // 2, -(factor // 2)), slice(factor // 2, -(factor // 2)))
    torch.testing.assert_close(found[inner], expected[inner], rtol=1e-5, atol=1e-5)
    # At the border all channels are scaled alike, so that no decision changes.
    assert torch.equal(found.argmax(dim=1), expected.argmax(dim=1))


def test_nothing_moves_by_half_a_pixel():
    x = torch.randn(1, 1, 4, 4)
    up = bilinear_upsampling(1, 8)
    torch.testing.assert_close(up(x.flip(2, 3)), up(x).flip(2, 3))


@pytest.mark.parametrize("output_stride", [32, 16, 8])
def test_outputs_agree_with_the_paper_s_sums_of_scores(output_stride):
    torch.manual_seed(0)
    network = FCN(2, 3, 2, output_stride, fully_connected=5).double().eval()
    with torch.no_grad():
        for up in network.ups:
            up.weight.add_(torch.randn_like(up.weight) / 10)  # as if it had learned
    layers, x, pooled = Layers(network), torch.randn(2, 2, 64, 96, dtype=torch.float64), []
    image = x
    for step, index in enumerate(CONVOLUTIONS):
        x = layers.conv(x, f"encoder.features.{index}").clamp(min=0)
        if step in (1, 3, 6, 9, 12):
            x = torch.nn.functional.max_pool2d(x, 2)
            pooled.append(x)
    for index in (0, 3):
        x = layers.conv(x, f"encoder.classifier.{index}").clamp(min=0)

    def up(x, kernel, factor, groups=1):
        # The adjoint of a strided convolution, by automatic differentiation.
        size = (len(x), kernel.shape[1] * groups, x.shape[2] * factor, x.shape[3] * factor)
        start = torch.zeros(size, dtype=x.dtype, requires_grad=True)
        result = torch.nn.functional.conv2d(start, kernel, stride=factor, padding=factor // 2, groups=groups)
        return torch.autograd.grad(result, start, x)[0]

    scores = layers.conv(x, "head")
    for step, features in enumerate(([], [pooled[3]], [pooled[3], pooled[2]])[{32: 0, 16: 1, 8: 2}[output_stride]]):
        scores = up(scores, layers.w[f"ups.{step}.weight"], 2) + layers.conv(features, f"skip_heads.{step}")
    expected = up(scores, layers.w["last.weight"], output_stride, groups=3)
    torch.testing.assert_close(network(image), expected, rtol=1e-9, atol=1e-9)


def test_weights_are_those_counted_by_hand():
    backbone = 138_357_544 - 4096 * 1000 - 1000  # the published vgg16 without its last layer
    for stride, skips, learned in ((32, [], 0), (16, [512], 1), (8, [512, 256], 2)):
        with torch.device("meta"):
            network = FCN(3, 21, output_stride=stride)
        scores = 21 * (4096 + sum(skips)) + 21 * (1 + len(skips))
        assert weights(network) == backbone + scores + learned * 21 * 21 * 16 + 21 * (2 * stride) ** 2
        assert weights(network.last) == 21 * (2 * stride) ** 2
    with torch.device("meta"):
        network = FCN(3, 1, output_stride=32)
    assert sum(weight.numel() for weight in network.parameters() if weight.requires_grad) == 134_264_641


@pytest.mark.parametrize("output_stride", [32, 16, 8])
def test_gradient_reaches_every_weight_that_learns(output_stride):
    torch.manual_seed(0)
    network = FCN(1, 2, 4, output_stride, fully_connected=8)
    logits = network(torch.randn(1, 1, 128, 160))
    assert logits.shape == (1, 2, 128, 160)
    assert network.last.weight.requires_grad is False
    network.last = torch.nn.Sequential()  # fixed: not asked for a gradient
    assert_gradient_everywhere(network, logits)


def test_parts_whose_sizes_follow_the_classes_are_named():
    with torch.device("meta"):
        three, five = (dict(FCN(1, k, 4, fully_connected=8).named_parameters()) for k in (3, 5))
    different = {name for name in three if three[name].shape != five[name].shape}
    assert all(name.startswith(tuple(f"{head}." for head in FCN.heads)) for name in different)
    assert {name.split(".")[0] for name in different} == set(FCN.heads)


@pytest.mark.parametrize("output_stride", [4, 64, 0])
def test_other_output_strides_are_refused(output_stride):
    with pytest.raises(ValueError, match=f"^output_stride must be 8, 16 or 32, got {output_stride}$"):
        FCN(1, 1, 2, output_stride)
