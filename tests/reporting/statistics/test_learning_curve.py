"""Forecasts by a power law of each seed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segbench.reporting.statistics.learning_curve import forecast

NUMBERS = (6, 12, 22)


@given(st.floats(0.01, 0.9), st.floats(-0.2, 1.5), st.floats(1, 1000))
def test_a_power_law_is_gone_on_with(start, power, at):
    law = {seed: [(n, start * n**-power) for n in NUMBERS] for seed in range(3)}
    found = forecast(law, at)
    assert found.error == pytest.approx(start * at**-power, rel=1e-6)
    assert (found.low, found.high) == pytest.approx((found.error, found.error), rel=1e-6)
    assert found.power == pytest.approx(power, abs=1e-6)
    assert (found.numbers, found.seeds) == (NUMBERS, 3)


def test_the_interval_is_students_over_the_seeds_forecasts():
    generator = np.random.default_rng(0)
    errors = {seed: [(n, 0.3 * n**-0.4 * math.exp(0.1 * generator.normal())) for n in NUMBERS] for seed in range(5)}
    values = []
    for points in errors.values():
        line = stats.linregress(np.log(NUMBERS), np.log([error for _, error in points]))
        values.append(line.intercept + line.slope * math.log(254))
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    found = forecast(errors, 254)
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))


def test_it_covers_where_the_law_holds():
    generator, inside = np.random.default_rng(1), 0
    for _ in range(1000):
        seeds = generator.normal(0, 0.2, 3)
        errors = {
            seed: [(n, 0.3 * n**-0.4 * math.exp(seeds[seed] + 0.1 * generator.normal())) for n in NUMBERS]
            for seed in range(3)
        }
        found = forecast(errors, 254)
        inside += found.low <= 0.3 * 254**-0.4 <= found.high
    assert 0.93 < inside / 1000 < 0.97


@pytest.mark.parametrize(
    "errors",
    [
        {0: [(6, 0.1), (12, 0.08), (22, 0.05)]},
        {seed: [(6, 0.1), (12, 0.08)] for seed in range(3)},
        {seed: [(6, 0.1), (6, 0.1), (22, 0.05)] for seed in range(3)},
        {seed: [(6, 0.1), (12, 0.0), (22, 0.05)] for seed in range(3)},
        {},
    ],
)
def test_there_is_none_without_seeds_and_numbers(errors):
    assert forecast(errors, 254) is None


def test_a_seed_without_a_law_is_counted_and_its_numbers_are_not():
    law = [(n, 0.3 * n**-0.4) for n in NUMBERS]
    found = forecast({0: law, 1: law, 2: [(6, 0.1), (12, 0.0), (40, 0.05)], 3: [(6, 0.1)]}, 254)
    assert (found.seeds, found.left_out, found.numbers) == (2, 2, NUMBERS)


def test_what_is_beyond_all_numbers_is_no_forecast():
    errors = {seed: [(n, 0.1 * n ** (2 + seed)) for n in NUMBERS] for seed in range(2)}
    assert forecast(errors, 1e3) is not None
    assert forecast(errors, 1e100) is None
