"""Cross-validation: every group is tested once, whatever the data set."""

import logging
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.data.folds import check_folds, deal, split_folds
from segbench.data.glas128 import Glas128Data
from segbench.data.phantom import PhantomData
from segbench.data.splits import check_disjoint
from segbench.errors import ConfigError, DataError

GROUPS = st.lists(st.integers(0, 40), min_size=6, max_size=120).filter(lambda numbers: len(set(numbers)) >= 6)


@given(GROUPS, st.integers(2, 4), st.integers(0, 1000))
def test_every_record_is_tested_once_and_trains_or_validates_otherwise(numbers, folds, seed):
    groups = [f"p{number}" for number in numbers]
    found = [split_folds(groups, folds, fold, seed, 0.2) for fold in range(folds)]
    assert sorted(index for parts in found for index in parts["test"]) == list(range(len(groups)))
    for parts in found:
        assert sorted(index for part in parts.values() for index in part) == list(range(len(groups)))
        check_disjoint(groups, parts)
        assert all(parts.values())


@given(GROUPS, st.integers(2, 6), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_folds_are_of_about_equal_size_and_do_not_depend_on_the_order_of_the_files(numbers, folds, seed, chance):
    groups, none = [f"p{number}" for number in numbers], [frozenset()] * len(numbers)
    found = deal(groups, folds, seed, none)
    sizes = Counter(found)
    # The largest fold was the smallest when it got its last group.
    assert max(sizes.values()) - min(sizes.values()) <= max(Counter(groups).values())
    shuffled = chance.sample(groups, len(groups))
    assert dict(zip(shuffled, deal(shuffled, folds, seed, none), strict=True)) == dict(zip(groups, found, strict=True))


@given(st.lists(st.sets(st.sampled_from("abcd")), min_size=12, max_size=60), st.integers(2, 5), st.integers(0, 99))
def test_the_rarest_class_is_in_as_many_folds_as_it_can_be(classes, folds, seed):
    strata = [frozenset(found) for found in classes]
    fold_of = deal([f"i{index}" for index in range(len(strata))], folds, seed, strata)
    holders = Counter(label for found in strata for label in found)
    if holders:
        rarest = min(holders, key=lambda label: (holders[label], label))
        spread = Counter(fold for fold, found in zip(fold_of, strata, strict=True) if rarest in found)
        assert len(spread) == min(folds, holders[rarest])
        assert max(spread.values()) - min(spread[fold] for fold in range(folds)) <= 1


def test_a_seed_gives_other_folds_and_the_fold_other_validation_groups():
    groups = [f"p{number}" for number in range(30)]
    tested = [split_folds(groups, 5, 0, seed, 0.2)["test"] for seed in (0, 1)]
    assert tested[0] != tested[1]
    validated = {tuple(split_folds(groups, 5, fold, 0, 0.2)["val"]) for fold in range(5)}
    assert len(validated) == 5


def _tested(groups, seed, strata):
    return [groups[index] for index in split_folds(groups, 5, 0, seed, 0.2, strata)["test"]]


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [1, 5])
def test_a_seed_gives_other_folds_to_groups_that_all_differ_in_size(kinds):
    """As patients of so many slices each: 16 to 40."""
    groups = [f"p{size}" for size in range(16, 41) for _ in range(size)]
    strata = [frozenset([int(group[1:]) % kinds]) for group in groups]

    def together(seed):
        fold_of = dict(zip(groups, deal(groups, 5, seed, strata), strict=True))
        return {frozenset(group for group in fold_of if fold_of[group] == fold) for fold in range(5)}

    divisions = [together(seed) for seed in range(8)]
    # Folds that two seeds have in common are few, and no group is in the same one every time.
    assert len(set.union(*divisions)) > 35
    # Each group is in the first fold of a fifth of the seeds: of 60, of 12, give or take 3.
    first = Counter(group for seed in range(60) for group in {*_tested(groups, seed, strata)})
    assert max(first.values()) < 12 + 4 * 3.1
    for seed in range(8):
        filled = Counter(deal(groups, 5, seed, strata))
        # Of 140 records each.
        assert max(filled.values()) < 1.15 * min(filled.values())


@pytest.mark.parametrize(
    ("folds", "fold", "said"),
    [
        (None, 2, "data.fold=2: set the number of folds too, for example data.folds=5"),
        (1, 0, "data.folds=1: must be 2 or more"),
        (5, None, "data.folds=5: say which fold is tested; data.fold=0,1,2,3,4 -m tests each once"),
        (5, 5, "data.fold=5: of 5 folds choose 0 to 4"),
        (3, -1, "data.fold=-1: of 3 folds choose 0 to 2"),
    ],
)
def test_options_that_name_no_fold_are_refused(tmp_path, folds, fold, said):
    with pytest.raises(ConfigError, match=said.replace("+", r"\+")):
        PhantomData(cache_dir=tmp_path, folds=folds, fold=fold)


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(DataError, match=r"data.folds=5: there are 3 groups of images; choose at most that many folds"):
        split_folds(["a", "b", "c"], 5, 0, 0, 0.2)
    with pytest.raises(DataError, match=r"data.folds=2: leaves 1 group to train and validate"):
        split_folds(["a", "b"], 2, 0, 0, 0.2)
    assert split_folds(["a", "b"], 2, 0, 0, 0.0)["val"] == []
    check_folds(2, 1)


def phantom(folder, **options):
    data = PhantomData(cache_dir=folder, size=(16, 16), subjects=10, slices=2, **options)
    data.setup()
    return data


def test_a_data_module_trains_validates_and_tests_by_the_fold(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "segbench"):
        folds = [phantom(tmp_path, folds=5, fold=fold) for fold in range(5)]
    tested = [data.records[index].id for data in folds for index in data.splits["test"]]
    assert sorted(tested) == sorted(record.id for record in folds[0].records)
    assert [len(data.splits["val"]) for data in folds] == [4] * 5
    assert (
        "fold 4 of 0 to 4, images: 12 train (6 groups), 4 val (2 groups), 4 test (2 groups); any other split of phantom is set aside"
        in caplog.text
    )
    whole = phantom(tmp_path, folds=5, fold=0, fit_on="train+val")
    assert whole.splits["train"] == sorted([*folds[0].splits["train"], *folds[0].splits["val"]])
    assert whole.splits["test"] == folds[0].splits["test"]


def test_which_images_are_in_which_part_is_told_before_they_are_read(tmp_path):
    def division(**options):
        return PhantomData(cache_dir=tmp_path, size=(16, 16), subjects=10, slices=2, **options).split_digest()

    asked = [
        {},
        {"split_seed": 1},
        {"folds": 5, "fold": 0},
        {"folds": 5, "fold": 1},
        {"fit_on": "train+val"},
        {"train_groups": 3},
    ]
    found = [division(**options) for options in asked]
    assert len(set(found)) == len(asked)
    assert found == [division(**options) for options in asked]
    assert division(batch_size=3, seed=5) == found[0]
    assert not any(tmp_path.iterdir())


def test_a_split_by_image_says_that_it_leaks(tmp_path, caplog):
    phantom(tmp_path, folds=5, fold=0, split_by="image")
    assert "data.split_by=image: images of one group are in several folds, so scores are too high" in caplog.text


def test_rotated_copies_need_the_official_split(tmp_path):
    with pytest.raises(ConfigError, match=r"data.turned=train: needs data.folds=null"):
        Glas128Data(cache_dir=tmp_path, turned="train", folds=5, fold=0)
