import ast
import copy
import inspect

import numpy as np
import pytest
import torch
from torch.nn import functional

import segbench.models.numpy_ff
from segbench.models.mnist import MnistFF
from segbench.models.mnist_ff_numpy import MnistFFNumpy
from segbench.models.numpy_ff import NumpyFF, log_softmax


@pytest.fixture
def pair():
    networks = []
    for network in (MnistFF, MnistFFNumpy):
        torch.manual_seed(3)
        networks.append(network(1, 10))
    return networks


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(30, 1, 28, 28, generator=generator), torch.randint(0, 10, (30,), generator=generator)


def test_the_weights_are_torch_s_drawn_alike(pair):
    bare, by_hand = (network.state_dict() for network in pair)
    assert list(bare) == list(by_hand)
    assert all(torch.equal(bare[name], by_hand[name]) for name in bare)


def test_nothing_of_torch_is_in_the_network_itself():
    tree = ast.parse(inspect.getsource(segbench.models.numpy_ff))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} <= {"__future__", "collections", "numpy"}
    arrays = NumpyFF([np.eye(3), np.ones((2, 3))], [np.array([0, 0, -5.0]), np.array([1.0, 2.0])])
    np.testing.assert_array_equal(arrays.forward(np.array([[1.0, -2.0, 3.0]]))[-1], [[2.0, 3.0]])


def test_logits_loss_and_gradients_are_those_of_autograd(pair, batch):
    (bare, by_hand), (image, label) = pair, batch
    torch.testing.assert_close(by_hand(image), bare(image), rtol=1e-5, atol=1e-5)
    expected = functional.cross_entropy(bare(image), label)
    expected.backward()
    loss, gradients = by_hand.loss_and_gradients(image, label)
    assert loss == pytest.approx(expected.item(), rel=1e-6)
    for (name, weight), gradient in zip(bare.named_parameters(), gradients, strict=True):
        assert gradient.dtype == np.float32
        assert weight.grad.abs().max() > 1e-4, name
        torch.testing.assert_close(torch.from_numpy(gradient), weight.grad, rtol=0, atol=1e-5, msg=name)


def test_gradients_are_finite_differences_of_the_loss():
    random = np.random.default_rng(0)
    weights = [random.normal(size=shape) for shape in ((5, 7), (4, 5), (3, 4))]
    network = NumpyFF(weights, [random.normal(size=len(weight)) for weight in weights])
    x, truth = random.normal(size=(6, 7)), random.integers(0, 3, 6)
    _, gradients = network.loss_and_gradients(x, truth)
    arrays = [array for layer in zip(network.weights, network.biases, strict=True) for array in layer]
    for array, gradient in zip(arrays, gradients, strict=True):
        for index in np.ndindex(array.shape):
            before, losses = array[index], []
            for change in (1e-6, -1e-6):
                array[index] = before + change
                losses.append(network.loss_and_gradients(x, truth)[0])
            array[index] = before
            assert gradient[index] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-7)


def test_large_logits_do_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_allclose(log_softmax(np.array([[1e4, 0.0], [3.0, 3.0]]))[:, 0], [0, -np.log(2)])


def test_numpy_computes_with_the_memory_of_the_parameters(pair, batch):
    by_hand, image = pair[1], batch[0]
    other = copy.deepcopy(by_hand)
    before = by_hand(image)
    with torch.no_grad():
        other.head.bias += 1
    assert torch.equal(by_hand(image), before)
    torch.testing.assert_close(other(image), before + 1)
    by_hand.load_state_dict(other.state_dict(), assign=True)
    assert torch.equal(by_hand(image), other(image))


def test_operations_are_those_that_torch_counts_for_its_own(pair):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        pair[0](torch.zeros(1, 1, 28, 28))
    assert pair[1].count_flops() == counter.get_total_flops() == 218_368
