"""What every task does at each step."""

import traceback

import pytest
import torch
from torch import nn

from segbench.losses import CrossEntropy
from segbench.rng import derive_seed
from segbench.tasks import ClassificationTask


@pytest.fixture
def task():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    return ClassificationTask(network, CrossEntropy(), torch.optim.SGD, None, ("a", "b", "c"), seed=5)


def test_a_step_draws_what_its_seed_and_counters_say(task):
    task.on_train_batch_start({}, 7)
    drawn = torch.rand(4)
    torch.manual_seed(derive_seed(5, "step", 0, 7))
    assert torch.equal(drawn, torch.rand(4))
    task.on_train_batch_start({}, 8)
    assert not torch.equal(drawn, torch.rand(4))


@pytest.mark.skipif(torch.cuda.is_available(), reason="nothing is noted for later where there is a GPU")
def test_seeding_notes_nothing_for_devices_that_are_not_there(task, monkeypatch):
    def noted(*_):
        raise AssertionError("a stack was formatted")

    monkeypatch.setattr(traceback, "format_stack", noted)
    task.on_train_batch_start({}, 0)
    with pytest.raises(AssertionError):
        torch.manual_seed(0)


@pytest.mark.gpu
def test_a_step_s_draws_on_a_gpu_are_seeded_too(task):
    task.cuda()
    task.on_train_batch_start({}, 7)
    drawn = torch.rand(4, device="cuda")
    task.on_train_batch_start({}, 7)
    assert torch.equal(drawn, torch.rand(4, device="cuda"))


def test_attributes_are_set_and_modules_found(task):
    task._current_fx_name = "training_step"
    assert task._current_fx_name == "training_step"
    task.extra = nn.Linear(1, 1)
    assert "extra.weight" in dict(task.named_parameters())
