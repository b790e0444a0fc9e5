"""Carvana's split that leaks, beside the same without the leak."""

import pytest

from segbench.data.carvana import CarvanaData
from segbench.data.records import Record
from segbench.errors import ConfigError


def data(tmp_path, **options):
    return CarvanaData(root=str(tmp_path), cache_dir=tmp_path, size=[20, 30], **options)


def records(cars=20, views=16):
    return [
        Record(f"car{car:02d}_{view:02d}", f"car{car:02d}", None, None) for car in range(cars) for view in range(views)
    ]


@pytest.mark.parametrize("seed", [0, 1])
def test_both_rows_test_the_same_views_and_train_on_as_many_images(tmp_path, seed):
    found = records()
    plain, apart, leaking = (data(tmp_path, leak=leak, split_seed=seed).split(found) for leak in (None, False, True))
    assert apart["test"] == leaking["test"] == plain["test"][::2]
    assert apart["val"] == leaking["val"] == plain["val"]
    assert len(apart["train"]) == len(leaking["train"]) == len(set(leaking["train"]))
    tested = {found[index].group for index in apart["test"]}
    assert not tested & {found[index].group for index in apart["train"]}
    others = [index for index in leaking["train"] if found[index].group in tested]
    assert others == plain["test"][1::2]
    assert set(leaking["train"]) - set(others) < set(apart["train"])
    assert not set(leaking["train"]) & set(leaking["test"])


@pytest.mark.parametrize("options", [{"split_by": "image"}, {"folds": 4, "fold": 0}])
def test_no_other_split_can_leak(tmp_path, options):
    with pytest.raises(ConfigError, match=r"^data\.leak=true: needs data\.split_by=group and data\.folds=null$"):
        data(tmp_path, leak=True, **options)


@pytest.mark.parametrize("leak", ["no", 1])
def test_what_is_no_truth_value_is_no_leak(tmp_path, leak):
    with pytest.raises(ConfigError, match=rf"^data\.leak={leak}: must be true, false or null$"):
        data(tmp_path, leak=leak)


@pytest.mark.parametrize("leak", [False, True])
def test_rows_that_could_not_train_on_as_many_images_are_refused(tmp_path, leak):
    with pytest.raises(ConfigError, match=r"^data\.leak=(true|false): needs data\.train_groups=null"):
        data(tmp_path, leak=leak, train_groups=3)
    found = data(tmp_path, leak=leak)
    found.fractions = {"train": 0.1, "val": 0.1, "test": 0.8}
    with pytest.raises(ConfigError, match=r"^data\.leak: 128 views cannot take the place of 32 training images$"):
        found.split(records())


def test_of_one_test_car_half_the_views_are_tested(tmp_path):
    found = data(tmp_path, leak=True).split(records(cars=3))
    assert [len(found[part]) for part in ("train", "val", "test")] == [16, 16, 8]
