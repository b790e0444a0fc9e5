import copy

import pytest
import torch
from torch import nn

from segbench.models import AttentionUNet, R2AttentionUNet, R2UNet, UNet
from segbench.models.checkpointing import run_block


class Kept:
    """Counts the bytes that a backward pass is left."""

    def __enter__(self):
        self.bytes = 0
        seen = set()

        def pack(tensor):
            if tensor.untyped_storage().data_ptr() not in seen:
                seen.add(tensor.untyped_storage().data_ptr())
                self.bytes += tensor.untyped_storage().nbytes()
            return tensor

        self.hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *error):
        self.hooks.__exit__(*error)


def steps(network, images):
    """Train by two steps; returns the results, then every gradient, weight and statistic."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    found = []
    for image in images:
        optimizer.zero_grad()
        logits = network(image)
        logits.square().mean().backward()
        found += [logits.detach(), *(weight.grad.clone() for weight in network.parameters())]
        optimizer.step()
    return found + [value.clone() for value in network.state_dict().values()]


@pytest.mark.parametrize("precision", [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", [UNet, AttentionUNet, R2UNet, R2AttentionUNet])
def test_training_is_the_same_to_the_bit(kind, precision):
    torch.manual_seed(0)
    plain = kind(2, 3, width=4, depth=3)
    saving = kind(2, 3, width=4, depth=3, checkpointing=True)
    saving.load_state_dict(plain.state_dict())
    images = [torch.randn(2, 2, 16, 24) for _ in range(2)]
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        expected, found = steps(plain, images), steps(saving, images)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    # The statistics did move, in the network with checkpointing too.
    assert all(layer.num_batches_tracked > 0 for layer in saving.modules() if isinstance(layer, nn.BatchNorm2d))


@pytest.mark.parametrize(("kind", "share"), [(UNet, 0.7), (R2UNet, 0.35)])
def test_less_is_kept_for_the_backward_pass(kind, share):
    kept = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        network = kind(3, 1, width=8, depth=4, checkpointing=checkpointing)
        with Kept() as meter:
            network(torch.randn(1, 3, 64, 64))
        kept.append(meter.bytes - sum(weight.numel() * 4 for weight in network.parameters()))
    assert kept[1] < share * kept[0]


def test_dropout_draws_the_same_again():
    block = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout(0.5), nn.Conv2d(4, 1, 3))
    image, gradients = torch.randn(2, 1, 8, 8), []
    for checkpointing in (False, True):
        torch.manual_seed(5)
        block.zero_grad()
        run_block(block, image, checkpointing).sum().backward()
        gradients.append([weight.grad.clone() for weight in block.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_in_evaluation_and_without_gradients_nothing_is_computed_twice():
    calls = []
    block = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    block.register_forward_hook(lambda *_: calls.append(1))
    image = torch.randn(2, 1, 4, 4)
    run_block(block.eval(), image, True).sum().backward()
    assert len(calls) == 1
    with torch.no_grad():
        run_block(block.train(), image, True)
    assert len(calls) == 2


def test_a_frozen_block_keeps_its_statistics_and_the_rest_trains():
    torch.manual_seed(0)
    network = R2UNet(1, 1, width=2, depth=2, checkpointing=True)
    network.encoder.requires_grad_(False).eval()
    before = copy.deepcopy(network.encoder.state_dict())
    network(torch.randn(2, 1, 8, 8)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())
    assert all(weight.grad is not None for weight in network.blocks.parameters())
