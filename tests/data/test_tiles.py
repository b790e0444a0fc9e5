"""Training images cut into tiles."""

import numpy as np
import pytest

from segbench.augmentation import Augmentation, QuarterTurns
from segbench.data.dataset import cut
from segbench.data.phantom import PhantomData
from segbench.data.tiles import parse_tiles
from segbench.errors import ConfigError


def phantom(tmp_path, **options):
    data = PhantomData(**({"subjects": 6, "slices": 2, "size": [32, 48], "cache_dir": tmp_path / "cache"} | options))
    data.setup()
    return data


@pytest.mark.parametrize("text", ["2", "0x2", "2x", "2 x 2", "2x-1", 4])
def test_what_is_no_grid_is_refused(text):
    with pytest.raises(ConfigError, match="data.tiles="):
        parse_tiles(text)


def test_tiles_of_an_array_put_together_are_the_array():
    array = np.random.default_rng(0).normal(size=(6, 8, 2))
    rows = [np.concatenate([cut(array, (3, 2), 2 * row + column) for column in range(2)], axis=1) for row in range(3)]
    assert np.array_equal(np.concatenate(rows), array)


def test_training_items_are_tiles_and_scored_ones_are_whole(tmp_path):
    whole, tiled = phantom(tmp_path), phantom(tmp_path, tiles="2x3")
    train = tiled.datasets["train"]
    assert len(train) == 6 * len(whole.datasets["train"])
    assert len(set(train.ids)) == len(train)
    for index in range(len(train)):
        image, number = divmod(index, 6)
        row, column = divmod(number, 3)
        original = whole.datasets["train"][image]
        place = (slice(row * 16, row * 16 + 16), slice(column * 16, column * 16 + 16))
        assert np.array_equal(train[index]["image"], original["image"][:, *place])
        assert np.array_equal(train[index]["mask"], original["mask"][place])
        assert train[index]["id"] == f"{original['id']} tile {row + 1},{column + 1}"
    assert tiled.datasets["val"][0]["image"].shape == whole.datasets["val"][0]["image"].shape


def test_tiles_are_copied_and_not_images(tmp_path):
    turning = Augmentation(copies=[QuarterTurns(-90)])
    data = phantom(tmp_path, size=[32, 64], tiles="1x2", augmentation=turning)
    train, tiled = data.datasets["train"], len(data.splits["train"]) * 2
    assert len(train) == 2 * tiled
    for index in range(tiled):
        assert np.array_equal(train[tiled + index]["mask"], np.rot90(train[index]["mask"], -1))
    with pytest.raises(ConfigError, match="an image of 32x16 would change its shape"):
        phantom(tmp_path, size=[32, 32], tiles="1x2", augmentation=turning)


def test_images_that_make_no_equal_tiles_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"data.tiles=5x2: images of 32x48"):
        phantom(tmp_path, tiles="5x2")


def test_training_images_are_scored_as_they_are_where_that_is_asked_for(tmp_path):
    from albumentations import VerticalFlip

    options = {"augmentation": Augmentation([VerticalFlip(p=1.0)]), "tiles": "2x2"}
    assert list(phantom(tmp_path, **options).eval_dataloaders()) == ["val", "test"]
    data, whole = phantom(tmp_path, score_train=True, **options), phantom(tmp_path)
    loaders = data.eval_dataloaders()
    assert list(loaders) == ["train", "val", "test"]
    items = [
        (name, image) for batch in loaders["train"] for name, image in zip(batch["id"], batch["image"], strict=True)
    ]
    assert [name for name, _ in items] == whole.datasets["train"].ids == data.scored("train").ids
    for index, (_, image) in enumerate(items):
        assert np.array_equal(image, whole.datasets["train"][index]["image"])


def test_what_is_trained_on_and_validated_is_told_in_one_line(tmp_path):
    data = phantom(tmp_path, tiles="2x3")
    train, val = (len(data.datasets[split]) for split in ("train", "val"))
    assert data.describe() == f"training on {train} images of 16x16, validating {val} images of 48x32"
