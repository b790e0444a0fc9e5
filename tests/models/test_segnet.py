import pytest
import torch
from equations import Layers, assert_gradient_everywhere, randomised, weights

from segbench.models import SegNet, SegNetASPP

COUNTS = (2, 2, 3, 3, 3)


def unpool(values, block):
    """Put each value where its 2x2 block has its (first) maximum, by loops."""
    result = torch.zeros_like(block)
    for b, c, i, j in torch.cartesian_prod(*(torch.arange(size) for size in values.shape)).tolist():
        place = int(block[b, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten().argmax())
        result[b, c, 2 * i + place // 2, 2 * j + place % 2] = values[b, c, i, j]
    return result


class Equations(Layers):
    """SegNet (arXiv 1511.00561) with the report's pyramid, written as formulas; tensors are taken by name."""

    def features(self, x):
        index, before = 0, []
        for count in COUNTS:
            for _ in range(count):
                x = self.conv(x, f"encoder.features.{index}")
                x = self.norm(x, f"encoder.features.{index + 1}").clamp(min=0)
                index += 3
            before.append(x)
            x = torch.nn.functional.max_pool2d(x, 2)
            index += 1
        for step, (count, block) in enumerate(zip(reversed(COUNTS), reversed(before), strict=True)):
            x = unpool(x, block)
            for layer in range(count):
                x = self.unit(x, f"decoder.stages.{step}.{layer}")
        return x

    def pyramid(self, x):
        parts = [self.unit(x, "aspp.branches.0")]
        parts += [self.unit(x, f"aspp.branches.{1 + i}", rate) for i, rate in enumerate((6, 12, 18))]
        pooled = self.unit(x.mean(dim=(2, 3), keepdim=True), "aspp.pooling")
        return self.unit(torch.cat([*parts, pooled.expand_as(parts[0])], dim=1), "aspp.project")


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("pyramid", [True, False])
def test_outputs_agree_with_the_equations(pyramid, training):
    torch.manual_seed(0)
    network = SegNetASPP(2, 3, 2, aspp_channels=4, dropout=0.0) if pyramid else SegNet(2, 3, 2)
    network = randomised(network).train(training)
    equations, image = Equations(network), torch.randn(2, 2, 32, 64, dtype=torch.float64)
    x = equations.features(image)
    expected = equations.conv(equations.pyramid(x) if pyramid else x, "head")
    torch.testing.assert_close(network(image), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.slow
def test_weights_are_those_counted_by_hand():
    pairs = [(512, 512)] * 5 + [(512, 256), (256, 256), (256, 256), (256, 128), (128, 128), (128, 64), (64, 64)]
    pairs.append((64, 64))  # where the encoder's mirror image has the image's channels
    decoder = sum(9 * before * after + 3 * after for before, after in pairs)  # bias, factor and shift
    assert len(pairs) == 13
    encoder = 138_365_992 - 123_642_856  # the published vgg16_bn without its classifier
    pyramid = 64 * 256 * 2 + 3 * 64 * 256 * 9 + 5 * 256 * 256 + 6 * 2 * 256
    with torch.device("meta"):
        assert weights(SegNet(3, 1)) == encoder + decoder + 64 + 1 == 29_480_129
        assert weights(SegNetASPP(3, 1)) == encoder + decoder + pyramid + 256 + 1 == 30_286_209
        assert weights(SegNetASPP(3, 19)) - weights(SegNetASPP(3, 1)) == 18 * 257


@pytest.mark.parametrize("kind", [SegNet, pytest.param(SegNetASPP, marks=pytest.mark.slow)])
def test_gradient_reaches_every_weight(kind):
    torch.manual_seed(0)
    network = kind(1, 2, width=4)
    assert_gradient_everywhere(network, network(torch.randn(2, 1, 64, 64)))


def test_one_image_can_be_trained_on_and_evaluated():
    torch.manual_seed(0)
    network = SegNetASPP(3, 4, width=4, aspp_channels=4)
    image = torch.randn(1, 3, 64, 64)
    logits = network(image)
    logits.square().mean().backward()
    assert logits.shape == (1, 4, 64, 64)
    assert torch.isfinite(logits).all()
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in network.parameters())
    assert torch.equal(network.eval()(image), network(image))


def test_dropout_is_in_front_of_the_head_and_in_training_only():
    torch.manual_seed(0)
    network = SegNetASPP(1, 1, width=2, aspp_channels=64, dropout=0.75)
    seen = []
    network.head.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    kept = []
    network.dropout.register_forward_pre_hook(lambda _, arguments: kept.append(arguments[0].detach()))
    image = torch.randn(2, 1, 32, 32)
    network(image)
    network.eval()(image)
    alive = kept[0] > 0
    assert float((seen[0][alive] > 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.equal(seen[1], kept[1])


def test_parts_are_named_for_fine_tuning():
    network = SegNetASPP(1, 3, width=2, aspp_channels=4)
    assert network.stride == 32
    assert network.head.weight.shape == (3, 4, 1, 1)
    assert not any(layer.bias.any() for layer in (network.head, network.decoder.stages[0][0][0]))


@pytest.mark.parametrize("argument", ["in_channels", "out_channels", "width", "aspp_channels"])
def test_impossible_numbers_are_refused(argument):
    with pytest.raises(ValueError, match=f"^{argument} must be a positive integer, got 0$"):
        SegNetASPP(**({"in_channels": 1, "out_channels": 1, "width": 2} | {argument: 0}))
