import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from segbench.errors import ConfigError
from segbench.models.mnist import MnistCNN, MnistFF

NETWORKS = (MnistFF, MnistCNN)


def weights_of(network):
    return sum(weight.numel() for weight in network.parameters())


def images(count=5, size=28, seed=0):
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed))


def test_weights_are_those_of_the_report():
    assert weights_of(MnistFF(1, 10)) == 109_386
    assert weights_of(MnistCNN(1, 10)) == 21_688


@pytest.mark.parametrize(("hidden", "batch_norm"), [(10, False), (50, True), (200, False)])
def test_weights_of_the_cnn_s_options_are_those_counted_by_hand(hidden, batch_norm):
    convolutions = (9 + 1) * 8 + (8 * 9 + 1) * 16 + (16 * 9 + 1) * 32
    expected = convolutions + (1568 + 1) * hidden + (hidden + 1) * 10 + 2 * (8 + 16 + 32) * batch_norm
    assert weights_of(MnistCNN(1, 10, hidden=hidden, batch_norm=batch_norm)) == expected


@pytest.mark.parametrize("network", NETWORKS)
def test_shape_task_and_gradient(network):
    torch.manual_seed(0)
    made = network(2, 7, size=30)
    assert made.task == "classification"
    logits = made(torch.rand(3, 2, 30, 30))
    assert logits.shape == (3, 7)
    functional.cross_entropy(logits, torch.tensor([0, 3, 6])).backward()
    for name, weight in made.named_parameters():
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [(32, 32), (28, 27), (56, 14)])
def test_images_of_another_size_are_refused_in_one_line(network, size):
    height, width = size
    line = f"^model.size=28: the images are {height}x{width}; the network takes 28x28 \\(set data.size\\)$"
    with pytest.raises(ConfigError, match=line):
        network(1, 10)(torch.rand(2, 1, height, width))


def cnn_by_formula(w, x, pool_first):
    for place in (0, 3, 6):
        x = functional.conv2d(x, w[f"encoder.{place}.weight"], w[f"encoder.{place}.bias"], padding=1)
        if place == 6:
            x = x.clamp(min=0)
        else:
            blocks = (x if pool_first else x.clamp(min=0)).unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
            x = blocks.amax(dim=4).clamp(min=0)
    x = (x.flatten(1) @ w["hidden.0.weight"].T + w["hidden.0.bias"]).clamp(min=0)
    return x @ w["head.weight"].T + w["head.bias"]


@pytest.mark.parametrize("pool_first", [False, True])
def test_the_cnn_is_its_formula(pool_first):
    torch.manual_seed(0)
    network = MnistCNN(1, 10, pool_first=pool_first, init="torch").double()
    x = images().double()
    torch.testing.assert_close(network(x), cnn_by_formula(network.state_dict(), x, pool_first), rtol=1e-9, atol=1e-9)


def test_the_fully_connected_network_is_its_formula():
    torch.manual_seed(0)
    network, x = MnistFF(1, 10, init="torch").double(), images().double()
    w, expected = network.state_dict(), x.reshape(5, -1)
    for layer in ("body.0", "body.2"):
        expected = (expected @ w[f"{layer}.weight"].T + w[f"{layer}.bias"]).clamp(min=0)
    expected = expected @ w["head.weight"].T + w["head.bias"]
    torch.testing.assert_close(network(x), expected, rtol=1e-9, atol=1e-9)


def order_of(network):
    return [type(layer).__name__ for layer in network.encoder]


def test_batch_norm_stands_between_convolution_and_activation_and_the_pooling_where_it_is_asked_for():
    conv, norm, relu, pool = "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"
    assert order_of(MnistCNN(1, 10)) == [conv, relu, pool, conv, relu, pool, conv, relu]
    assert order_of(MnistCNN(1, 10, pool_first=True)) == [conv, pool, relu, conv, pool, relu, conv, relu]
    normal = [conv, norm, relu, pool, conv, norm, relu, pool, conv, norm, relu]
    assert order_of(MnistCNN(1, 10, batch_norm=True)) == normal
    swapped = [conv, norm, pool, relu, conv, norm, pool, relu, conv, norm, relu]
    assert order_of(MnistCNN(1, 10, batch_norm=True, pool_first=True)) == swapped


def trained(pool_first, batch_norm, x, layout, steps=4):
    """Return the logits and all gradients of some steps of Adam, and the weights behind them."""
    torch.manual_seed(0)
    network = MnistCNN(1, 10, batch_norm=batch_norm, pool_first=pool_first).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    x, seen = x.clone(memory_format=layout).requires_grad_(), []
    for _ in range(steps):
        optimizer.zero_grad()
        logits = network(x)
        functional.cross_entropy(logits, torch.arange(len(x)) % 10).backward()
        seen += [logits.detach(), x.grad.clone(), *(weight.grad.clone() for weight in network.parameters())]
        optimizer.step()
    return seen + [value.clone() for value in network.state_dict().values()]


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("kind", ["random", "ties", "black"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_pooling_first_trains_the_same_network_to_the_bit(batch_norm, kind, layout):
    # Digits are mostly black: whole windows tie, at zero (black images, biases 0) and above.
    x = {"random": images(12), "ties": images(12).mul(2).round(), "black": torch.zeros(12, 1, 28, 28)}[kind]
    ones, others = trained(False, batch_norm, x, layout), trained(True, batch_norm, x, layout)
    assert len(ones) == len(others)
    assert all(torch.equal(one, other) for one, other in zip(ones, others, strict=True))


# Windows of 2x2: all negative, the greatest 0, ties at 0, ties above 0, ties below 0, one alone.
WINDOWS = (
    [-1, -2, -3, -4],
    [-1, 0, -2, -3],
    [0, 0, -1, 0],
    [2, 5, 5, 1],
    [-2, -2, -2, -2],
    [0, 0, 0, 0],
    [1, -1, 0, -9],
)


@pytest.mark.parametrize("window", WINDOWS)
def test_one_window_sends_its_gradient_to_the_same_pixel_in_either_order(window):
    gradients = []
    for order in ((nn.ReLU(), nn.MaxPool2d(2)), (nn.MaxPool2d(2), nn.ReLU())):
        x = torch.tensor(window, dtype=torch.float32).reshape(1, 1, 2, 2).requires_grad_()
        nn.Sequential(*order)(x).sum().backward()
        gradients.append(x.grad.flatten().tolist())
    assert gradients[0] == gradients[1]
    best = [0.0] * 4
    if max(window) > 0:
        best[window.index(max(window))] = 1.0  # the first of those that tie
    assert gradients[0] == best


def test_only_an_activation_that_never_falls_makes_the_orders_equal():
    x = torch.tensor([[[[-3.0, 1.0], [0.0, 2.0]]]])
    assert functional.max_pool2d(x**2, 2).item() == 9
    assert functional.max_pool2d(x, 2).item() ** 2 == 4


def test_dropout_comes_after_the_hidden_layer_s_activation_and_scales_what_is_left():
    torch.manual_seed(0)
    network = MnistCNN(1, 10, hidden=200, dropout=0.25)
    assert [type(layer).__name__ for layer in network.hidden] == ["Linear", "ReLU", "Dropout"]
    seen = []
    network.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = images(50)
    network(x)
    network.eval()
    network(x)
    training, full = seen
    kept = training != 0
    torch.testing.assert_close(training[kept], full[kept] / 0.75)
    assert (kept & (full > 0)).sum() / (full > 0).sum() == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_are_drawn_as_the_option_says(network):
    torch.manual_seed(0)
    made = network(1, 10, init="he")
    layer = made.body[0] if network is MnistFF else made.hidden[0]
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / layer.in_features), rel=0.03)
    assert not layer.bias.any()
    assert not made.head.bias.any()
    bound = 1 / math.sqrt(layer.in_features)
    own = network(1, 10, init="torch")
    layer = own.body[0] if network is MnistFF else own.hidden[0]
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    with pytest.raises(ValueError, match="^init must be he, xavier or torch, got zero$"):
        network(1, 10, init="zero")


def test_impossible_numbers_are_refused():
    for dropout in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=f"^dropout must be at least 0 and below 1, got {dropout}$"):
            MnistCNN(1, 10, dropout=dropout)
    with pytest.raises(ValueError, match="^hidden must be a positive integer, got 0$"):
        MnistFF(1, 10, hidden=[128, 0])
    with pytest.raises(ValueError, match="^size must be at least 4 to be pooled twice, got 3$"):
        MnistCNN(1, 10, size=3)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("argument", ["in_channels", "out_channels", "size"])
@pytest.mark.parametrize("value", [0, -3, 2.0, "4", True])
def test_counts_must_be_positive_integers(network, argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must be a positive integer, got {value}$"):
        network(**{"in_channels": 1, "out_channels": 10, argument: value})
