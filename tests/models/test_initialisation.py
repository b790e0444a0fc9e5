import math

import pytest
import torch
from torch import nn

from segbench.models.initialisation import initialise

# Layer, fan in and fan out.
LAYERS = {
    "conv": (lambda: nn.Conv2d(32, 48, 3), 32 * 9, 48 * 9),
    "linear": (lambda: nn.Linear(400, 100), 400, 100),
}


def drawn(layer, init):
    torch.manual_seed(0)
    made = LAYERS[layer][0]()
    initialise(nn.Sequential(made), init)
    return made.weight.detach(), made.bias.detach()


@pytest.mark.parametrize("layer", LAYERS)
def test_he_is_normal_with_variance_two_over_fan_in(layer):
    weight, bias = drawn(layer, "he")
    expected = math.sqrt(2 / LAYERS[layer][1])
    assert weight.std().item() == pytest.approx(expected, rel=0.03)
    assert weight.abs().max() > 3 * expected  # no uniform distribution reaches so far
    assert not bias.any()


@pytest.mark.parametrize("layer", LAYERS)
def test_xavier_is_uniform_between_the_bounds_of_both_fans(layer):
    weight, bias = drawn(layer, "xavier")
    bound = math.sqrt(6 / (LAYERS[layer][1] + LAYERS[layer][2]))
    assert 0.99 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)
    assert not bias.any()


@pytest.mark.parametrize("layer", LAYERS)
def test_torch_leaves_the_layers_as_they_come(layer):
    torch.manual_seed(0)
    fresh = LAYERS[layer][0]()
    weight, bias = drawn(layer, "torch")
    assert torch.equal(weight, fresh.weight)
    assert torch.equal(bias, fresh.bias)
    assert bias.any()


def test_other_layers_and_absent_biases_are_left_alone():
    network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2))
    initialise(network, "he")
    assert torch.equal(network[1].weight, torch.ones(2))


def test_an_unknown_choice_is_refused():
    with pytest.raises(ValueError, match="^init must be he, xavier or torch, got best$"):
        initialise(nn.Linear(1, 1), "best")
