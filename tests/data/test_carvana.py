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
