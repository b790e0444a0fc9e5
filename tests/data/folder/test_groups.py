import numpy as np
import pytest
from tests.data.folder.conftest import drawing, picture, save

from segbench.data.folder.groups import (
    advice,
    groups_by_pattern,
    groups_nothing,
    likely_pattern,
    name_of_group,
    near_copies,
)
from segbench.data.folder.inspection import difference_hash
from segbench.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("pattern", "name", "group"),
    [
        ("*_??", "03a857ce842d_01", "03a857ce842d"),
        ("patient*_slice*", "patient12_slice03", "12"),
        ("*_*", "left_eye_4", "left_eye"),
        ("*/*", "train/aachen/frame7", "aachen"),
        ("?*-*", "deep/x12-7", "12"),
    ],
)
def test_the_first_star_is_the_group(pattern, name, group):
    assert groups_by_pattern([name], pattern) == [group]


def test_patterns_that_cannot_be_used():
    with pytest.raises(ConfigError, match=r"data.group=car: no \* in it"):
        groups_by_pattern(["a"], "car")
    with pytest.raises(DataError, match="1 name do not match"):
        groups_by_pattern(["a_1", "b"], "*_?")


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ([f"patient{p}_slice{s:02d}" for p in (7, 12) for s in range(5)], "*_slice*"),
        ([f"{car}_{view:02d}" for car in ("0cdf5b", "12ab99") for view in range(16)], "*_*"),
        ([f"cmr{n}" for n in range(20)], None),
        ([f"{part}_{n}" for part in ("train", "testA") for n in range(20)], None),
        ([f"lab_{n}" for n in range(20)], None),
        ([f"{n}_{n + 1}" for n in range(20)], None),
    ],
)
def test_names_that_look_like_groups(names, pattern):
    assert likely_pattern(names) == pattern


def test_near_copies_are_found_and_others_not():
    chance = np.random.default_rng(0)
    images = [np.kron(chance.integers(0, 255, (8, 8, 1)), np.ones((16, 16, 1))).astype(np.uint8) for _ in range(20)]
    brighter = np.clip(images[3] * 0.9 + 10 + chance.normal(0, 1, images[3].shape), 0, 255).astype(np.uint8)
    hashes = [difference_hash(image) for image in [*images, brighter, np.zeros((64, 64, 1), np.uint8)] * 1]
    names = [f"n{number}" for number in range(len(hashes))]
    assert near_copies(hashes, names) == [(20, 3)]
    assert near_copies(hashes, ["same"] * len(hashes)) == []
    assert "n20 and n3" in advice(names, hashes)
    assert advice(names[:20], hashes[:20]) is None


def test_a_pattern_that_groups_nothing_is_told_the_likely_one():
    names = [f"slide{slide}_tile{tile}" for slide in range(4) for tile in range(3)]
    assert groups_nothing("slide*", names, groups_by_pattern(names, "slide*")) == (
        "data.group=slide*: groups nothing, the 12 images are as many groups (0_tile0, 0_tile1, 0_tile2 and 9 others);"
        " 'data.group=*_tile*' makes 4 groups"
    )
    assert groups_nothing("*_*", names, groups_by_pattern(names, "*_*")) is None
    assert "first * must be" in groups_nothing("*", ["a", "bird"], ["a", "bird"])


def test_a_pattern_that_groups_nothing_is_said_where_data_are_read(own, folder, caplog):
    for number in range(8):
        save(own / f"images/slide{number // 2}_{number % 2}.png", picture(number))
        save(own / f"masks/slide{number // 2}_{number % 2}.png", drawing(number))
    folder(group="slide*").find()
    assert "data.group=slide*: groups nothing" in caplog.text


@pytest.mark.parametrize(
    ("asked", "name"),
    [("patient", "patient"), ("Patient_ID", "patient"), ("car id", "car"), ("p*_*", None), ("a/b", None), (None, None)],
)
def test_a_column_says_what_a_group_is_called(asked, name):
    assert name_of_group(asked) == name
