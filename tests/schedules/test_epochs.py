import math

import pytest
import torch
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from segbench.configuration.schema import validate
from segbench.errors import ConfigError
from segbench.schedules import EpochTable, ExponentialFloor


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


@pytest.mark.slow
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


def table_of_the_report(epoch):
    """The cells report's table, epochs counted from 1."""
    if epoch <= 20:
        return 1e-3
    if epoch <= 100:
        return 5e-4
    if epoch <= 150:
        return 1e-4
    if epoch <= 200:
        return 5e-5
    return 1e-5 if epoch <= 250 else 5e-6


def adam(*rates):
    return torch.optim.Adam([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


@pytest.mark.slow
def test_the_choice_is_the_table_of_the_report_whose_last_rate_stays(compose):
    cfg = compose("scheduler=epoch_table")
    validate(cfg)
    found = rates(instantiate(cfg.scheduler, optimizer=adam(cfg.optimizer.lr, cfg.optimizer.lr)), 410)
    assert found == [[table_of_the_report(epoch)] * 2 for epoch in range(1, 411)]


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    values=st.lists(st.floats(1e-9, 10), min_size=6, max_size=6),
)
def test_each_row_of_a_table_has_its_number_of_epochs(lengths, values):
    table = [(sum(lengths[: row + 1]), values[row]) for row in range(len(lengths))]
    expected = [value for length, value in zip(lengths, values, strict=False) for _ in range(length)]
    assert rates(EpochTable(adam(values[0]), table), len(expected)) == [[value] for value in expected]


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_a_run_resumed_by_a_table_has_the_rates_of_an_uninterrupted_one(epochs, tmp_path):
    table = OmegaConf.create([[2, 1e-3], [3, 0.1], [5, 1e-5]])
    whole = rates(EpochTable(adam(1e-3), table), 8)
    first = EpochTable(adam(1e-3), table)
    before = rates(first, epochs)
    torch.save((first.state_dict(), first.optimizer.state_dict()), tmp_path / "states")
    states = torch.load(tmp_path / "states", weights_only=True)
    # As a resumed run does: everything is built anew, then filled with what was stored.
    second = EpochTable(adam(1e-3), table)
    second.load_state_dict(states[0])
    second.optimizer.load_state_dict(states[1])
    assert before + rates(second, 8 - epochs) == whole


@pytest.mark.parametrize("given_rates", [(0.01,), (1e-3, 0.01)])
def test_a_rate_of_the_optimiser_that_the_table_contradicts_is_refused(given_rates):
    said = "^optimizer.lr=0.01: scheduler.rates begins with 0.001; set optimizer.lr=0.001 or use another scheduler$"
    with pytest.raises(ConfigError, match=said):
        EpochTable(adam(*given_rates), [(5, 1e-3), (9, 0.01)])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([], r"=\[\]: must have a row \[last epoch, rate\]"),
        ([[5]], r": \[5\] must be a row \[last epoch, rate\]"),
        ([[5, 1e-3, 7]], r": \[5, 0.001, 7\] must be a row \[last epoch, rate\]"),
        ([[0, 1e-3]], r": \[0, 0.001\] must end at a whole epoch after 0"),
        ([[5, 1e-3], [5, 1e-4]], r": \[5, 0.0001\] must end at a whole epoch after 5"),
        ([[5, 1e-3], [4, 1e-4]], r": \[4, 0.0001\] must end at a whole epoch after 5"),
        ([[2.5, 1e-3]], r": \[2.5, 0.001\] must end at a whole epoch after 0"),
        ([[float("inf"), 1e-3]], r": \[inf, 0.001\] must end at a whole epoch after 0"),
        ([[5, 0.0]], r": \[5, 0.0\] must have a rate above 0"),
        ([[5, -1e-3]], r": \[5, -0.001\] must have a rate above 0"),
        ([[5, float("inf")]], r": \[5, inf\] must have a rate above 0"),
        ([[5, float("nan")]], r": \[5, nan\] must have a rate above 0"),
    ],
)
def test_what_is_no_table_is_refused(table, said):
    with pytest.raises(ConfigError, match=f"^scheduler.rates{said}$"):
        EpochTable(adam(1e-3), table)


@pytest.mark.slow
@pytest.mark.parametrize("table", ["5", "[5,6]", "[[5,abc]]", "[[x,0.1]]"])
def test_a_table_on_the_command_line_that_is_none_is_refused_before_data_is_touched(compose, table):
    with pytest.raises(ConfigError, match=r"^scheduler.rates="):
        validate(compose("scheduler=epoch_table", f"scheduler.rates={table}"))
