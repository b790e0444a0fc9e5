import pytest
import torch
from equations import Layers, assert_gradient_everywhere, pool, randomised, weights

from segbench.models import TrainingOutputs, UNetPlusPlus


def paper(layers, image, depth):
    """Zhou et al. 2020, equation 1, by recursion on the node (i, j)."""

    def node(i, j):
        if (i, j) not in known:
            if j == 0:
                x = pool(node(i - 1, 0), 2) if i else image
            else:
                up = layers.deconv(node(i + 1, j - 1), f"ups.{i}_{j}")
                x = torch.cat([*(node(i, k) for k in range(j)), up], dim=1)
            known[i, j] = layers.double(x, f"blocks.{i}_{j}")
        return known[i, j]

    known = {}
    return [node(0, j) for j in range(1, depth)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("depth", [2, 4])
def test_outputs_agree_with_the_paper_s_equation(training, depth):
    torch.manual_seed(0)
    network = randomised(UNetPlusPlus(2, 3, width=2, depth=depth)).train(training)
    layers, image = Layers(network), torch.randn(2, 2, 16, 24, dtype=torch.float64)
    expected = layers.conv(paper(layers, image, depth)[-1], "head")
    torch.testing.assert_close(network(image), expected, rtol=1e-8, atol=1e-8)


def test_deep_supervision_trains_the_inner_nodes_and_averages_them_in_evaluation():
    torch.manual_seed(0)
    network = randomised(UNetPlusPlus(1, 2, width=2, depth=4, deep_supervision=True)).train()
    layers, image = Layers(network), torch.randn(2, 1, 16, 24, dtype=torch.float64)
    outputs = network(image)
    assert isinstance(outputs, TrainingOutputs)
    nodes = paper(layers, image, 4)
    for index, side in enumerate(outputs.side_logits):
        torch.testing.assert_close(side, layers.conv(nodes[index], f"side_heads.{index}"), rtol=1e-8, atol=1e-8)
    assert len(outputs.side_logits) == 2
    layers = Layers(network.eval())
    nodes = paper(layers, image, 4)
    parts = [
        layers.conv(nodes[0], "side_heads.0"),
        layers.conv(nodes[1], "side_heads.1"),
        layers.conv(nodes[2], "head"),
    ]
    torch.testing.assert_close(network(image), sum(parts) / 3, rtol=1e-8, atol=1e-8)


def test_weights_are_the_published_ones_and_batch_normalisation():
    network = UNetPlusPlus(3, 1)
    normalisation = sum(weights(part) for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d))
    assert weights(network) == 9_049_473
    # Table 3 of the paper's first version (arXiv 1807.10165): 9.04 M.
    assert round((weights(network) - normalisation) / 1e6, 2) == 9.04


def test_gradient_reaches_every_weight():
    torch.manual_seed(0)
    network = UNetPlusPlus(1, 4, width=2, deep_supervision=True)
    outputs = network(torch.randn(2, 1, 32, 48))
    assert_gradient_everywhere(network, torch.stack([outputs.logits, *outputs.side_logits]))


def test_impossible_numbers_are_refused():
    with pytest.raises(ValueError, match="^depth must be at least 2, got 1$"):
        UNetPlusPlus(1, 1, depth=1)
    with pytest.raises(ValueError, match="^depth must be at least 3 for deep supervision, got 2$"):
        UNetPlusPlus(1, 1, depth=2, deep_supervision=True)
    with pytest.raises(ValueError, match="^width must be a positive integer, got 0$"):
        UNetPlusPlus(1, 1, width=0)
