from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.data.splits import check_disjoint, check_train_groups, some_groups, split_groups, split_last_block
from segbench.errors import ConfigError, DataError

FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}


@given(st.lists(st.integers(0, 60), min_size=3, max_size=200), st.integers(0, 1000))
def test_every_record_is_in_one_part_and_no_group_in_two(numbers, seed):
    groups = [f"car{number}" for number in numbers]
    if len(set(groups)) < 3:
        with pytest.raises(DataError):
            split_groups(groups, FRACTIONS, seed)
        return
    splits = split_groups(groups, FRACTIONS, seed)
    assert sorted(index for part in splits.values() for index in part) == list(range(len(groups)))
    check_disjoint(groups, splits)
    assert all(splits.values())


@given(st.permutations(range(30)), st.integers(0, 100))
def test_the_order_of_the_files_does_not_matter(order, seed):
    groups = [f"g{i:02d}" for i in range(30)]
    shuffled = [groups[i] for i in order]
    expected = {part: {groups[i] for i in indices} for part, indices in split_groups(groups, FRACTIONS, seed).items()}
    found = {part: {shuffled[i] for i in indices} for part, indices in split_groups(shuffled, FRACTIONS, seed).items()}
    assert found == expected


def test_carvana_s_318_cars():
    groups = [f"car{car}" for car in range(318) for _ in range(16)]
    splits = split_groups(groups, FRACTIONS, 0)
    assert {part: len(indices) // 16 for part, indices in splits.items()} == {"train": 254, "val": 32, "test": 32}


def test_seeds_differ():
    groups = [f"g{i}" for i in range(50)]
    assert split_groups(groups, FRACTIONS, 0) != split_groups(groups, FRACTIONS, 1)


def test_a_leak_is_found():
    with pytest.raises(DataError, match="car1 is in train and test"):
        check_disjoint(["car0", "car1", "car1", "car2"], {"train": [0, 1], "test": [2, 3]})


def test_fractions_must_add_up():
    with pytest.raises(ValueError, match="add up to 1"):
        split_groups(["a", "b"], {"train": 0.5, "val": 0.1}, 0)


@given(st.lists(st.booleans(), max_size=40), st.floats(0.01, 0.99))
def test_the_last_block_validates(test, share):
    rest = [index for index, tests in enumerate(test) if not tests]
    if len(rest) < 2:
        with pytest.raises(
            DataError, match=f"{len(rest)} image{'s' * (len(rest) != 1)} left for training and validation"
        ):
            split_last_block(test, share)
        return
    splits = split_last_block(test, share)
    assert splits["train"] + splits["val"] == rest
    assert splits.get("test", []) == [index for index, tests in enumerate(test) if tests]
    assert abs(len(splits["val"]) - share * len(rest)) <= 1
    assert splits["train"]
    assert splits["val"]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=80), st.integers(0, 100), st.data())
def test_more_training_groups_are_those_of_fewer_and_others(numbers, seed, data):
    groups = [f"car{number}" for number in numbers]
    train = data.draw(st.lists(st.integers(0, len(groups) - 1), min_size=1, unique=True).map(sorted))
    there = {groups[index] for index in train}
    found = [some_groups(groups, train, number, seed) for number in range(1, len(there) + 1)]
    for number, kept in enumerate(found, 1):
        names = {groups[index] for index in kept}
        assert len(names) == number
        # Groups come whole, in the order of the split.
        assert kept == [index for index in train if groups[index] in names]
    assert all(set(less) < set(more) for less, more in pairwise(found))
    assert found[-1] == train


def test_more_training_groups_than_there_are_are_refused():
    with pytest.raises(ConfigError, match=r"^data.train_groups=3: the training split has 2 groups$"):
        some_groups(["a", "a", "b", "c"], [0, 1, 2], 3, 0)


@pytest.mark.parametrize("wrong", [0, -3, 1.5, "8", True])
def test_a_number_of_training_groups_is_a_whole_one(wrong):
    with pytest.raises(ConfigError, match=f"^data.train_groups={wrong}: must be a whole number, at least 1"):
        check_train_groups(wrong)
    assert [check_train_groups(number) for number in (None, 1)] == [None, 1]
