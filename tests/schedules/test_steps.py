"""Schedules by steps, against torch's own, which count steps alone."""

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from segbench.errors import ConfigError
from segbench.schedules import CosineRestarts, OneCycle, Poly, RangeTest

EPOCHS, STEPS = 6, 10


def sgd(momentum=0.9):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.3, 0.02)]
    return torch.optim.SGD(groups, momentum=momentum)


def rates(schedule, steps=EPOCHS * STEPS, of="lr"):
    """Return the value of every group in each step, as a task steps: after the optimiser's."""
    found = []
    for _ in range(steps):
        found.append([group[of] for group in schedule.optimizer.param_groups])
        schedule.optimizer.step()
        schedule.step()
    return found


def ours(kind, optimizer=None, **settings):
    schedule = kind(optimizer or sgd(), EPOCHS, **settings)
    schedule.steps_per_epoch = STEPS
    return schedule


def with_warmup(make, warmup, start):
    optimizer = sgd()
    rise = lr_scheduler.LinearLR(optimizer, start_factor=start, total_iters=warmup)
    return lr_scheduler.SequentialLR(optimizer, [rise, make(optimizer, EPOCHS * STEPS - warmup)], [warmup])


def poly(power):
    return lambda optimizer, steps: lr_scheduler.PolynomialLR(optimizer, total_iters=steps, power=power)


def cosine(optimizer, steps):
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=0.01)


SAME = {
    "poly": (lambda: ours(Poly, power=0.9), lambda: poly(0.9)(sgd(), EPOCHS * STEPS)),
    "poly, warm-up": (
        lambda: ours(Poly, power=2.0, warmup=1.5, warmup_start=0.1),
        lambda: with_warmup(poly(2.0), 15, 0.1),
    ),
    "constant, warm-up": (
        lambda: ours(Poly, power=0.0, warmup=2.0, warmup_start=0.01),
        lambda: lr_scheduler.LinearLR(sgd(), start_factor=0.01, total_iters=20),
    ),
    "cosine": (lambda: ours(CosineRestarts, eta_min=0.01), lambda: cosine(sgd(), EPOCHS * STEPS)),
    "cosine, warm-up": (
        lambda: ours(CosineRestarts, eta_min=0.01, warmup=1.0, warmup_start=0.5),
        lambda: with_warmup(cosine, 10, 0.5),
    ),
    "restarts": (
        lambda: ours(CosineRestarts, cycles=3),
        lambda: lr_scheduler.CosineAnnealingWarmRestarts(sgd(), T_0=20),
    ),
    "longer restarts": (
        lambda: ours(CosineRestarts, cycles=2, growth=2.0, eta_min=1e-3),
        lambda: lr_scheduler.CosineAnnealingWarmRestarts(sgd(), T_0=20, T_mult=2, eta_min=1e-3),
    ),
    # Of torch's steps the last has the last rate, so there is one more.
    "one cycle": (
        lambda: ours(OneCycle, rise=0.3, start=10.0, end=100.0),
        lambda: lr_scheduler.OneCycleLR(
            sgd(), [0.3, 0.02], total_steps=61, pct_start=19 / 61, div_factor=10, final_div_factor=100
        ),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_each_step_has_the_rate_of_torch_s_schedule(name):
    mine, theirs = (make() for make in SAME[name])
    for found, expected in zip(rates(mine), rates(theirs), strict=True):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_rates_to_test_grow_from_the_lowest_by_the_same_factor():
    found = torch.tensor(rates(ours(RangeTest, lowest=1e-5))).T.tolist()
    for group, highest in zip(found, (0.3, 0.02), strict=True):
        assert group == pytest.approx(np.geomspace(1e-5, highest, 61)[:-1].tolist(), rel=1e-5)
    with pytest.raises(ConfigError, match="scheduler.lowest=0.02: must be above 0 and below optimizer.lr=0.02"):
        ours(RangeTest, lowest=0.02)


@pytest.mark.parametrize("cycles", [2, 4, 49, 98])
def test_every_restart_is_a_step(cycles):
    schedule = CosineRestarts(sgd(), epochs=1, cycles=cycles)
    schedule.steps_per_epoch = 196
    found = [first for first, _ in rates(schedule, steps=196)]
    # Rounding must not miss one, as it would of 49 cycles.
    assert [step for step, rate in enumerate(found) if rate > 0.9999 * 0.3] == list(range(0, 196, 196 // cycles))[
        :cycles
    ]


@pytest.mark.parametrize("optimizer", [sgd, lambda: torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.3)])
def test_momentum_goes_the_other_way(optimizer):
    mine = ours(OneCycle, optimizer(), rise=0.3)
    theirs = lr_scheduler.OneCycleLR(optimizer(), 0.3, total_steps=61, pct_start=19 / 61)
    key = "betas" if "betas" in mine.optimizer.param_groups[0] else "momentum"
    found, expected = (torch.tensor(rates(schedule, of=key)).flatten().tolist() for schedule in (mine, theirs))
    assert found == pytest.approx(expected, rel=1e-6)
    assert min(found) == pytest.approx(0.85)
    kept = ours(OneCycle, optimizer(), momentum=None)
    assert len({str(value) for value in rates(kept, of=key)}) == 1


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("steps", [1, 7, 20, 43])
def test_a_run_resumed_at_any_step_has_the_rates_of_an_uninterrupted_one(name, steps, tmp_path):
    make = SAME[name][0]
    whole, first, second = rates(make()), make(), make()
    before = rates(first, steps)
    torch.save((first.state_dict(), first.optimizer.state_dict()), tmp_path / "states")
    states = torch.load(tmp_path / "states", weights_only=True)
    second.load_state_dict(states[0])
    second.optimizer.load_state_dict(states[1])
    assert before + rates(second, EPOCHS * STEPS - steps) == whole


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (Poly, {"warmup": 6.0}, "scheduler.warmup=6.0: must be at least 0 and below trainer.max_epochs=6"),
        (Poly, {"warmup": -1.0}, "scheduler.warmup=-1.0: must be"),
        (Poly, {"warmup_start": 1.5}, "scheduler.warmup_start=1.5: must be from 0 to 1"),
        (Poly, {"power": -1.0}, "scheduler.power=-1.0: must be"),
        (CosineRestarts, {"cycles": 0}, "scheduler.cycles=0: must be at least 1"),
        (CosineRestarts, {"growth": 0.0}, "scheduler.growth=0.0: must be positive"),
        (CosineRestarts, {"eta_min": 0.02}, "scheduler.eta_min=0.02: must be at least 0 and below optimizer.lr=0.02"),
        (OneCycle, {"rise": 1.0}, "scheduler.rise=1.0: must be above 0 and below 1"),
        (OneCycle, {"start": 0.5}, "scheduler.start=0.5: must be at least 1"),
        (OneCycle, {"end": 0.5}, "scheduler.end=0.5: must be at least 1"),
        (OneCycle, {"momentum": [0.9, 0.8]}, r"scheduler.momentum=\[0.9, 0.8\]: must be"),
    ],
)
def test_numbers_out_of_range_are_refused(kind, settings, said):
    with pytest.raises(ConfigError, match=said):
        ours(kind, **settings)


def test_an_optimiser_without_momentum_is_refused():
    with pytest.raises(ConfigError, match=r"scheduler.momentum: the optimiser has none; use scheduler.momentum=null"):
        ours(OneCycle, sgd(momentum=0))
    ours(OneCycle, sgd(momentum=0), momentum=None)
