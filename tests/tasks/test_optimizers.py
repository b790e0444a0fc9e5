"""On a processor an optimiser is fused: the same steps, but for rounding."""

from functools import partial

import pytest
import torch

from segbench.runs.checkpoint_io import load_checkpoint
from segbench.tasks.optimizers import build_optimizer

CPU = torch.device("cpu")
MAKERS = {
    "adam": partial(torch.optim.Adam, lr=0.1),
    "adamw": partial(torch.optim.AdamW, lr=0.1, weight_decay=0.1),
    "sgd": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.1),
}


def trained(make):
    """Return where five steps down a quartic end, in float64."""
    weights = [
        torch.nn.Parameter(torch.linspace(-1, 1, 7, dtype=torch.float64).view(shape)) for shape in ((7,), (7, 1))
    ]
    optimizer = make(weights)
    for _ in range(5):
        optimizer.zero_grad()
        sum((weight - 0.3).pow(4).sum() for weight in weights).backward()
        optimizer.step()
    return optimizer, torch.cat([weight.detach().flatten() for weight in weights])


@pytest.mark.parametrize("name", MAKERS)
def test_fused_steps_are_those_of_the_formula(name):
    fused, ours = trained(lambda weights: build_optimizer(MAKERS[name], weights, CPU))
    assert fused.param_groups[0]["fused"]
    plain, theirs = trained(partial(MAKERS[name], foreach=False))
    assert not plain.param_groups[0]["fused"]
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(ours, torch.linspace(-1, 1, 7, dtype=torch.float64).repeat(2))


@pytest.mark.parametrize(
    ("make", "device"),
    [
        (partial(torch.optim.Adam, foreach=True), "cpu"),
        (partial(torch.optim.Adam, fused=False), "cpu"),
        (torch.optim.Adam, "meta"),
        (torch.optim.RMSprop, "cpu"),
        (lambda weights: torch.optim.Adam(weights), "cpu"),
    ],
)
def test_another_form_that_was_chosen_and_another_device_have_their_own(make, device):
    weights = [torch.nn.Parameter(torch.ones(2, device=device))]
    assert not build_optimizer(make, weights, torch.device(device)).param_groups[0].get("fused")


@pytest.mark.parametrize("name", MAKERS)
def test_complex_weights_are_stepped_one_by_one(name):
    weights = [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))]
    optimizer = build_optimizer(MAKERS[name], weights, CPU)
    weights[1].grad = torch.ones_like(weights[1])
    optimizer.step()
    assert not (weights[1] == 1).any()


@pytest.mark.slow
def test_gradients_are_clipped_in_half_precision_too(run, tiny, tmp_path):
    overrides = ("trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1e-6", "optimizer=sgd", "optimizer.lr=1")
    run(tiny(tmp_path, *overrides, "optimizer.momentum=0", "trainer.max_epochs=1"), tmp_path / "run")
    stored = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert stored["optimizer_states"][0]["param_groups"][0]["fused"]
