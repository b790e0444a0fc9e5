import math

import pytest
import torch

from segbench.config import validate
from segbench.errors import ConfigError
from segbench.schedules import ExponentialFloor


def optimizer(*rates):
    weight = torch.nn.Parameter(torch.zeros(1))
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.Adam(groups or [weight], lr=3e-3)


def rates(schedule, epochs):
    """Return the rates of all groups in each epoch, trained with as Lightning does: the step comes at its end."""
    found = []
    for _ in range(epochs):
        found.append([group["lr"] for group in schedule.optimizer.param_groups])
        schedule.optimizer.step()
        schedule.step()
    return found


def formula(start, floor, tau, epoch):
    return floor + (start - floor) * math.exp(-epoch / tau)


@pytest.mark.parametrize(("floor", "tau"), [(1e-4, 2.0), (0.0, 7.5), (1e-3, 0.5)])
def test_each_epoch_has_the_rate_of_the_formula_in_every_group(floor, tau):
    found = rates(ExponentialFloor(optimizer(3e-3, 0.5), floor=floor, tau=tau), 20)
    expected = [[formula(start, floor, tau, epoch) for start in (3e-3, 0.5)] for epoch in range(20)]
    assert found == expected
    assert found[0] == pytest.approx([3e-3, 0.5], rel=1e-12)


def test_a_resumed_run_has_the_rates_of_an_uninterrupted_one_to_the_bit():
    whole = rates(ExponentialFloor(optimizer(), tau=3.0), 12)
    first = ExponentialFloor(optimizer(), tau=3.0)
    before = rates(first, 5)
    states = first.state_dict(), first.optimizer.state_dict()
    # Other settings at first: what was stored must win.
    second = ExponentialFloor(optimizer(), tau=9.0)
    second.load_state_dict(states[0])
    second.optimizer.load_state_dict(states[1])
    assert before + rates(second, 7) == whole


@pytest.mark.parametrize(("epochs", "last"), [(10, 1.32e-4), (100, 1.21e-4)])
def test_the_choice_falls_from_3e_3_to_about_1e_4_over_the_run(compose, epochs, last):
    cfg = compose("scheduler=exponential_floor", f"trainer.max_epochs={epochs}", "optimizer.lr=3e-3")
    validate(cfg)
    assert cfg.scheduler.tau == pytest.approx(epochs / 5)
    found = [rate for (rate,) in rates(ExponentialFloor(optimizer(), cfg.scheduler.floor, cfg.scheduler.tau), epochs)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(3e-3)
    assert found[-1] == pytest.approx(last, rel=0.01)


@pytest.mark.parametrize("floor", [-1e-4, 3e-3, 1.0, float("nan")])
def test_a_floor_that_is_none_is_refused(floor):
    with pytest.raises(
        ConfigError, match=f"^scheduler.floor={floor}: must be at least 0 and below optimizer.lr=0.003$"
    ):
        ExponentialFloor(optimizer(), floor=floor)


@pytest.mark.parametrize("tau", [0.0, -1.0, float("nan"), float("inf")])
def test_a_tau_that_is_no_number_of_epochs_is_refused(tau):
    with pytest.raises(ConfigError, match=f"^scheduler.tau={tau}: must be a number of epochs above 0$"):
        ExponentialFloor(optimizer(), tau=tau)
