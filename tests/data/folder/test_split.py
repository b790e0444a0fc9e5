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
    groups = [str(n // 2) for n in range(17)]
    assert describe_split(splits, groups, given=False) == (
        "split by group: 10 train (5 groups), one val (1 group), six test (4 groups)"
    )
    images = [str(n) for n in range(17)]
    assert describe_split(splits, images, given=False) == "split by image: 10 train, one val, six test"
    assert describe_split(splits, images, given=True) == "split as given: 10 train, one val, six test"
    with caplog.at_level(logging.WARNING):
        warn_of_small_parts(splits, groups, None)
        warn_of_absent(splits, [frozenset({0, 1})] * 10 + [frozenset({0})] + [frozenset({0, 1})] * 6, ["b", "cell"])
    assert "only six test images: scores on so few say little" in caplog.text
    assert "no val image has cell" in caplog.text


TENTHS = {"train": 0.8, "val": 0.1, "test": 0.1}


@pytest.mark.parametrize(
    ("groups", "fractions", "line"),
    [
        (10, TENTHS, "one test group: no comparison can be decided; data.test_fraction=0.3 gives three"),
        (15, TENTHS, "two test groups: no comparison can be decided; data.test_fraction=0.2 gives three"),
        (
            12,
            {"train": 0.9, "val": 0.1},
            "one val group: no comparison can be decided; data.val_fraction=0.25 gives three",
        ),
        (
            4,
            TENTHS,
            "one test group: no comparison can be decided; cross-validation tests each group once: -m data.folds=4",
        ),
        (30, TENTHS, ""),
    ],
)
def test_few_groups_are_said_with_the_fraction_that_gives_three(groups, fractions, line, caplog):
    names = [f"g{number % groups}" for number in range(groups * 12)]
    splits = balanced_split(names, [frozenset({0})] * len(names), fractions, 0)
    warn_of_small_parts(splits, names, fractions)
    assert caplog.text.count("\n") == bool(line)
    assert line in caplog.text
    if "_fraction=" in line:
        name, _, value = line.partition("data.")[2].partition(" ")[0].partition("=")
        part = name.removesuffix("_fraction")
        more = fractions | {part: float(value)}
        more["train"] = 1 - sum(share for key, share in more.items() if key != "train")
        again = balanced_split(names, [frozenset({0})] * len(names), more, 0)
        assert len({names[index] for index in again[part]}) == 3


def test_few_given_groups_are_told_of_cross_validation(caplog):
    names = [f"g{number // 4}" for number in range(20)]
    warn_of_small_parts(
        {"train": list(range(12)), "val": list(range(12, 16)), "test": list(range(16, 20))}, names, None
    )
    assert "one test group: no comparison can be decided; cross-validation" in caplog.text
    assert "data.folds=5 data.fold=0,1,2,3,4" in caplog.text
