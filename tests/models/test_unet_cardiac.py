import pytest
import torch

from segbench.models import CardiacUNet


def count_by_hand(channels, classes, width):
    def conv(before, after, kernel):
        return before * after * kernel**2 + after

    def unit(before, after):
        return conv(before, after, 3) + 2 * after

    total, before = 0, channels
    for here in (width, 2 * width, 4 * width):
        total += unit(before, here) + unit(here, here)
        before = here
    total += unit(4 * width, 8 * width)
    for here in (4 * width, 2 * width, width):
        total += conv(2 * here, here, 2) + unit(2 * here, here) + unit(here, here)
    return total + conv(width, classes, 1)


@pytest.mark.parametrize(("channels", "classes", "width"), [(1, 4, 32), (3, 1, 8), (2, 5, 3)])
def test_weights_are_those_counted_by_hand(channels, classes, width):
    network = CardiacUNet(channels, classes, width)
    assert sum(weight.numel() for weight in network.parameters()) == count_by_hand(channels, classes, width)


@pytest.mark.parametrize("size", [(8, 8), (24, 40)])
def test_shape_and_gradient(size):
    torch.manual_seed(0)
    network = CardiacUNet(2, 3, width=4)
    logits = network(torch.randn(4, 2, *size))
    assert logits.shape == (4, 3, *size)
    logits.square().mean().backward()
    for name, weight in network.named_parameters():
        assert torch.isfinite(weight.grad).all(), name
        normalised = weight.dim() == 1 and name.endswith("bias") and not name.startswith(("head", "ups"))
        assert normalised or weight.grad.abs().sum() > 0, name


def test_dropout_is_random_in_training_and_absent_in_evaluation():
    network, image = CardiacUNet(1, 2, width=4), torch.randn(2, 1, 16, 16)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))
    still = CardiacUNet(1, 2, width=4, dropout=0.0)
    assert torch.equal(still(image), still(image))


def test_impossible_numbers_are_refused():
    for options in ({"width": 0}, {"dropout": 1.0}, {"dropout": -0.1}):
        with pytest.raises(ValueError, match=r"model\.width=.*model\.dropout="):
            CardiacUNet(1, 1, **options)
