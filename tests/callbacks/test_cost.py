"""The cost meter measures the run's own device, over all attempts of the run."""

from types import SimpleNamespace

import pytest
import torch
from tests.pretended import Event

from segbench.callbacks import CostMeter


def trainer_on(device):
    return SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device(device)), precision="32-true", num_test_batches=[1]
    )


def measured(device, state=None):
    """Return a meter after one step and one test batch on a device."""
    meter, trainer, batch = CostMeter(), trainer_on(device), {"image": torch.zeros(2, 1, 4, 4)}
    meter.setup(trainer, None, "fit")
    if state is not None:
        meter.load_state_dict(state)
    meter.on_fit_start(trainer, None)
    meter.on_train_batch_start(trainer, None, batch, 0)
    meter.on_train_batch_end(trainer, None, None, batch, 0)
    meter.on_fit_end(trainer, None)
    meter.setup(trainer, None, "test")
    meter.on_test_batch_start(trainer, None, batch, 0)
    meter.on_test_batch_end(trainer, None, None, batch, 0)
    return meter


@pytest.fixture
def gpu(monkeypatch):
    """Stand in for a graphics card, and note what is asked of it."""
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("reset_peak_memory_stats", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda *arguments, name=name: asked.append((name, *arguments)) or 0)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    return asked


def test_a_run_on_the_processor_of_a_machine_with_a_gpu(gpu):
    report = measured("cpu").report(trainer_on("cpu"), None)
    assert report["peak_memory_bytes"] > 2**24
    assert gpu == []


def test_a_run_on_the_gpu_asks_that_gpu(gpu):
    measured("cuda:1").state_dict()
    assert {device for _, device in gpu} == {torch.device("cuda:1")}
    assert {name for name, *_ in gpu} == {"reset_peak_memory_stats", "max_memory_allocated"}


def test_a_gpu_s_steps_are_timed_by_itself_and_read_when_somebody_asks(gpu):
    meter, trainer, batch = CostMeter(), trainer_on("cuda:1"), {"image": torch.zeros(2, 1, 4, 4)}
    meter.setup(trainer, None, "fit")
    for _ in range(7):
        meter.on_train_batch_start(trainer, None, batch, 0)
        meter.on_train_batch_end(trainer, None, None, batch, 0)
    state = meter.state_dict()
    assert (state["images"]["train"], state["seconds"]["train"]) == (8, 0.004)  # without the first three


def test_the_peak_is_that_of_all_attempts():
    state = measured("cpu").state_dict()
    own = state["peak_memory_bytes"]
    assert own > 2**24
    resumed = measured("cpu", state | {"peak_memory_bytes": 2**50})
    assert resumed.report(trainer_on("cpu"), None)["peak_memory_bytes"] == 2**50
    assert resumed.state_dict()["peak_memory_bytes"] == 2**50
