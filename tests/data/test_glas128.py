import shutil

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from segbench.data.glas128 import Glas128Data
from segbench.data.splits import split_official
from segbench.errors import ConfigError, DataError

CHANCE = np.random.default_rng(3)


def write(folder, number, stains=None, label=None):
    folder.mkdir(parents=True, exist_ok=True)
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., :2] = CHANCE.integers(0, 256, (16, 16, 2)) if stains is None else stains
    gland = np.zeros((16, 16), np.uint8)
    gland[4:12, 3 : 5 + number % 8] = 255
    Image.fromarray(image).save(folder / f"image_{number:02d}.png")
    Image.fromarray(gland if label is None else label).save(folder / f"label_{number:02d}.png")


@pytest.fixture
def folder(tmp_path):
    for part, count in (("Train", 10), ("Test", 3)):
        for number in range(1, count + 1):
            write(tmp_path / "glas128" / part, number)
    return tmp_path / "glas128"


def module(folder, **options):
    return Glas128Data(**({"root": str(folder), "size": [16, 16], "cache_dir": folder.parent / "cache"} | options))


def test_the_stains_are_the_first_two_channels_and_255_is_gland(folder):
    data = module(folder)
    data.setup()
    record = next(record for record in data.records if record.id == "Train/03")
    image, mask = data.read(record)
    stored = np.asarray(Image.open(folder / "Train" / "image_03.png"))
    assert image.shape == (16, 16, 2)
    assert np.array_equal(image, stored[..., :2])
    assert np.array_equal(mask, np.asarray(Image.open(folder / "Train" / "label_03.png")) // 255)
    assert data.datasets["train"][0]["image"].shape == (2, 16, 16)


def test_turned_copies_have_the_same_content_elsewhere(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    found = module(folder, turned="all").digest()
    assert module(copy, turned="all", cache_dir=tmp_path / "other").digest() == found
    assert module(folder).digest() != found


def test_the_official_split_and_a_fifth_of_train_validates(folder):
    data = module(folder)
    data.setup()
    ids = {part: [data.records[index].id for index in chosen] for part, chosen in data.splits.items()}
    assert {part: len(chosen) for part, chosen in ids.items()} == {"train": 8, "val": 2, "test": 3}
    assert ids["test"] == ["Test/01", "Test/02", "Test/03"]
    assert sorted(ids["train"] + ids["val"]) == [f"Train/{number:02d}" for number in range(1, 11)]
    other = module(folder, split_seed=1)
    other.setup()
    assert other.splits["test"] == data.splits["test"]
    assert other.splits["val"] != data.splits["val"]
    whole = module(folder, fit_on="train+val")
    whole.setup()
    assert len(whole.splits["train"]) == 10
    assert "val" not in whole.splits


@pytest.mark.parametrize("turned", ["train", "all"])
def test_turned_copies_train_and_never_validate(folder, turned):
    plain, data = module(folder), module(folder, turned=turned)
    for each in (plain, data):
        each.setup()
    ids = {part: [data.records[index].id for index in chosen] for part, chosen in data.splits.items()}
    for part in ("val", "test"):
        assert ids[part] == [plain.records[index].id for index in plain.splits[part]]
    originals = [name for name in ids["train"] if "turned" not in name]
    assert originals == [plain.records[index].id for index in plain.splits["train"]]
    copied = originals if turned == "train" else originals + ids["val"]
    expected = {f"{name} turned {degrees}" for name in copied for degrees in (-90, 180)}
    assert set(ids["train"]) - set(originals) == expected
    # The arrays that train are the files', turned as scipy turns them.
    train = data.datasets["train"]
    stored = {name: train[place] for place, name in enumerate(train.ids)}
    for name in originals[:2]:
        for degrees in (-90, 180):
            copy = stored[f"{name} turned {degrees}"]
            image = ndimage.rotate(stored[name]["image"].numpy(), degrees, axes=(2, 1), order=0)
            assert np.array_equal(copy["image"], image)
            assert np.array_equal(copy["mask"], ndimage.rotate(stored[name]["mask"].numpy(), degrees, (1, 0), order=0))


def test_what_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder .*expected Train and Test"):
        module(tmp_path / "nowhere").find()
    with pytest.raises(ConfigError, match="data.val_fraction=1"):
        module(folder, val_fraction=1)
    with pytest.raises(ConfigError, match="data.turned=yes: choose train, all or null"):
        module(folder, turned="yes")
    with pytest.raises(ConfigError, match="data.turned=all: needs data.fit_on=train"):
        module(folder, turned="all", fit_on="train+val")
    (folder / "Train" / "label_02.png").unlink()
    (folder / "Test" / "picture.png").write_bytes((folder / "Test" / "image_01.png").read_bytes())
    with pytest.raises(DataError) as refusal:
        module(folder).find()
    assert "image_02.png: image without mask" in str(refusal.value)
    assert "picture.png: neither image_NN.png nor label_NN.png" in str(refusal.value)


def test_photographs_and_grey_images_are_not_taken_for_stains(folder):
    Image.fromarray(CHANCE.integers(1, 256, (16, 16, 3)).astype(np.uint8)).save(folder / "Train" / "image_01.png")
    Image.fromarray(CHANCE.integers(0, 256, (16, 16)).astype(np.uint8)).save(folder / "Test" / "image_02.png")
    with pytest.raises(DataError) as refusal:
        module(folder).setup()
    for name in ("Train/image_01.png", "Test/image_02.png"):
        assert f"{name}: expected two stains: an RGB image whose third channel is empty" in str(refusal.value)


def test_an_official_test_split_stays_and_groups_are_not_parted():
    groups = ["a", "a", "b", "c", "c", "d", "e", "t"]
    splits = split_official(groups, [False] * 6 + [True, True], 0.25, 0)
    assert splits["test"] == [6, 7]
    assert sorted(splits["train"] + splits["val"]) == list(range(6))
    assert len({groups[index] for index in splits["val"]}) == 1
    assert not {groups[index] for index in splits["val"]} & {groups[index] for index in splits["train"]}
    assert "test" not in split_official(groups, [False] * 8, 0.25, 0)
