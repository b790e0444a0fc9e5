import math

import pytest

from segbench.errors import ConfigError
from segbench.sweep.space import Range, candidates, read_space


def space(compose, *overrides):
    return read_space(compose(*overrides))


def test_without_one_learning_rate_and_weight_decay_are_tried_around_their_values(compose):
    found = space(compose, "optimizer=adamw", "optimizer.lr=2e-3")
    assert found == {
        "optimizer.lr": Range(2e-4, 2e-2, log=True),
        "optimizer.weight_decay": Range(1e-3, 1e-1, log=True),
    }
    assert space(compose)["optimizer.weight_decay"] == Range(1e-6, 1e-3, log=True)


def test_a_space_replaces_the_usual_one(compose):
    found = space(compose, "tuning.space={optimizer.lr: [1e-4, 1e-2, log], data.batch_size: [2, 16, log, int]}")
    assert found == {
        "optimizer.lr": Range(1e-4, 1e-2, log=True),
        "data.batch_size": Range(2, 16, log=True, whole=True),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("{optimizer.lrr: [1e-4, 1e-2]}", "tuning.space.optimizer.lrr: no such key; did you mean optimizer.lr?"),
        ("{data.split_seed: [0, 9, int]}", "tuning.space.data.split_seed: cannot be tuned, only what is below"),
        ("{trainer.max_epochs: [5, 50, int]}", "tuning.space.trainer.max_epochs: is part of the budget"),
        ("{optimizer.lr: [1e-2, 1e-4]}", "the first number should be less than the second"),
        ("{optimizer.lr: [0, 1e-4, log]}", "a range by log should begin above 0"),
        ("{optimizer.lr: [1e-4, 1e-2, lgo]}", "there may be log and int, nothing else"),
        ("{optimizer.lr: [1e-4]}", "should be two numbers"),
        ("{optimizer.lr: [low, high]}", "should be two numbers"),
        ("{data.batch_size: [1.5, 8, int]}", "should end at whole numbers"),
    ],
)
def test_what_is_no_range_is_refused_with_its_key(compose, asked, said):
    with pytest.raises(ConfigError, match="tuning.space") as refused:
        space(compose, f"tuning.space={asked}")
    assert said in str(refused.value)


@pytest.mark.slow
def test_a_loss_is_not_tuned_by_its_own_value(compose):
    asked = ["loss=bce_dice", "tuning.space={loss.bce_weight: [0.1, 0.9]}"]
    with pytest.raises(ConfigError, match="changes val/loss, which chooses; set trainer.monitor"):
        space(compose, *asked)
    assert space(compose, *asked, "trainer.monitor=val/dice") == {"loss.bce_weight": Range(0.1, 0.9)}


def test_more_candidates_begin_with_the_fewer_and_another_seed_has_others():
    limits = {"a": Range(1e-4, 1e-2, log=True), "b": Range(0, 1)}
    four, twenty = candidates(limits, 4, 0), candidates(limits, 20, 0)
    assert twenty[:4] == four
    assert candidates(limits, 4, 1) != four
    assert len({tuple(point.values()) for point in twenty}) == 20


def test_candidates_fill_a_range_by_its_logarithm():
    rates = sorted(point["a"] for point in candidates({"a": Range(1e-4, 1e-2, log=True)}, 200, 3))
    assert rates[0] >= 1e-4
    assert rates[-1] <= 1e-2
    # Uniform in the exponent: quartiles at a quarter, a half and three quarters of it.
    quartiles = [math.log10(rates[index]) for index in (50, 100, 150)]
    assert quartiles == pytest.approx([-3.5, -3, -2.5], abs=0.03)


def test_whole_numbers_are_tried_once_each_and_the_ends_as_often_as_the_others():
    found = candidates({"a": Range(2, 5, whole=True)}, 10, 0)
    assert sorted(point["a"] for point in found) == [2, 3, 4, 5]
    shares = [(index + 0.5) / 1000 for index in range(1000)]
    counts = [sum(Range(2, 5, whole=True).at(share) == value for share in shares) for value in (2, 3, 4, 5)]
    assert counts == [250] * 4
