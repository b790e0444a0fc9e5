"""Which comparisons an experiment asks for."""

import numpy as np
import pytest
from simulated import networks

from segbench.errors import ConfigError
from segbench.reporting.collection.declaration import ask
from segbench.reporting.comparison.question import family_of


@pytest.fixture(scope="module")
def rows():
    return networks(np.random.default_rng(0), [0.6, 0.7, 0.8]).rows


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({}, ("best", None)),
        ({"family": None, "baseline": None}, ("best", None)),
        ({"family": "pairs"}, ("pairs", None)),
        ({"baseline": "m1"}, ("baseline", 1)),
        ({"family": "baseline", "baseline": {"model": "m2"}}, ("baseline", 2)),
    ],
)
def test_the_family_follows_the_question(rows, declared, expected):
    assert family_of(declared, rows) == expected


@pytest.mark.parametrize("named", ["unet", {"model": "unet"}, {"loss": "dice"}])
def test_a_baseline_that_is_no_row_is_refused_and_the_rows_named(rows, named):
    with pytest.raises(
        ConfigError, match=r"comparison.baseline=.*: no row is it; name the values of one of m0, m1 and m2"
    ):
        family_of({"baseline": named}, rows)


def test_a_margin_is_in_the_unit_of_the_declared_metric_and_of_no_other():
    declared = {"metric": "dice", "split": "test", "margin": 0.01}
    assert "margin" not in ask(declared, {"metric": "hd95"})
    assert ask(declared, {"metric": "dice", "split": "val"})["margin"] == 0.01
    assert ask(declared, {"split": "val"})["margin"] == 0.01
