import logging

import pytest

from segbench.data.folder.split import balanced_split, describe_split, given_split, warn_of_absent, warn_of_small_parts
from segbench.data.splits import split_groups
from segbench.errors import DataError

FRACTIONS = {"train": 0.6, "val": 0.2, "test": 0.2}


def test_common_classes_are_split_as_by_groups_alone():
    groups = [f"g{number // 2}" for number in range(40)]
    found = balanced_split(groups, [frozenset({0, 1})] * 40, FRACTIONS, 5)
    assert found == split_groups(groups, FRACTIONS, 5)


def test_a_rare_class_is_in_every_part_and_no_group_in_two():
    for seed in range(5):
        groups = [f"g{number // 2}" for number in range(60)]
        classes = [frozenset({0, 1, 2}) if number % 15 == 0 else frozenset({0, 1}) for number in range(60)]
        parts = balanced_split(groups, classes, FRACTIONS, seed)
        assert all(any(2 in classes[index] for index in chosen) for chosen in parts.values())
        assert sum(len({groups[index] for index in chosen}) for chosen in parts.values()) == 30
        assert parts == balanced_split(groups, classes, FRACTIONS, seed)


def test_a_class_of_one_group_cannot_be_everywhere():
    classes = [frozenset({0, 1})] * 9 + [frozenset({0, 2})]
    parts = balanced_split([str(n) for n in range(10)], classes, FRACTIONS, 0)
    assert sorted(index for chosen in parts.values() for index in chosen) == list(range(10))


def test_too_few_groups():
    with pytest.raises(DataError, match="2 groups of images cannot be split into 3 parts"):
        balanced_split(["a", "b", "b"], [frozenset({0})] * 3, FRACTIONS, 0)


def test_what_is_given_stays_and_validation_is_drawn_if_there_is_none():
    parts = ["train", "test", "val", None, "train"]
    assert given_split(list("abcde"), parts, 0.5, 0) == {"train": [0, 3, 4], "val": [2], "test": [1]}
    drawn = given_split(list("abcde"), ["train", "test", None, None, "train"], 0.25, 0)
    assert drawn["test"] == [1]
    assert len(drawn["val"]) == 1
    with pytest.raises(DataError, match="no image is for training"):
        given_split(["a", "b"], ["val", "test"], 0.5, 0)


def test_small_parts_and_absent_classes_are_said(caplog):
    splits = {"train": list(range(10)), "val": [10], "test": list(range(11, 17))}
    assert describe_split(splits, [str(n // 2) for n in range(17)], "by group") == (
        "split by group: 10 train (5 groups), one val, six test (4 groups)"
    )
    with caplog.at_level(logging.WARNING):
        warn_of_small_parts(splits)
        warn_of_absent(splits, [frozenset({0, 1})] * 10 + [frozenset({0})] + [frozenset({0, 1})] * 6, ["b", "cell"])
    assert "only six test images" in caplog.text
    assert "no val image has cell" in caplog.text
