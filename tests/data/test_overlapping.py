"""Generated structures that overlap, and the base of data whose masks do."""

import numpy as np
import pytest

from segbench.data.multilabel import MultilabelData
from segbench.data.overlapping import OverlappingData, draw_scene
from segbench.errors import ConfigError
from segbench.masks import bit_sets


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(0, number, (96, 96)) for number in range(60)]


def test_an_image_is_a_function_of_its_number(scenes):
    image, mask = draw_scene(0, 3, (96, 96))
    np.testing.assert_array_equal(image, scenes[3][0])
    np.testing.assert_array_equal(mask, scenes[3][1])
    assert (image.dtype, image.shape, mask.dtype, mask.shape) == (np.uint8, (96, 96, 1), np.uint8, (96, 96))
    assert not np.array_equal(image, draw_scene(1, 3, (96, 96))[0])
    assert len({image.tobytes() for image, _ in scenes}) == len(scenes)


def test_every_combination_of_classes_occurs_and_each_class_is_absent_somewhere(scenes):
    masks = np.stack([mask for _, mask in scenes])
    assert set(np.unique(masks)) == set(range(8))
    for bit in range(3):
        there = ((masks >> bit) & 1).any(axis=(1, 2))
        assert 0.5 < there.mean() < 1


def test_where_shadows_overlap_it_is_darker(scenes):
    brightness = np.concatenate([image[..., 0].ravel() for image, _ in scenes]).astype(float)
    number = np.concatenate([np.bitwise_count(mask).ravel() for _, mask in scenes])
    means = [brightness[number == count].mean() for count in range(4)]
    assert means == sorted(means, reverse=True)
    assert means[0] - means[1] > 20


def test_it_trains_as_it_comes(tmp_path):
    data = OverlappingData(cache_dir=tmp_path, scenes=12, size=[24, 24])
    data.setup()
    assert {split: len(found) for split, found in data.splits.items()} == {"train": 7, "val": 2, "test": 3}
    item = data.datasets["val"][0]
    _, mask = draw_scene(0, int(item["id"].removeprefix("scene")), (24, 24))
    np.testing.assert_array_equal(item["mask"], [(mask >> bit) & 1 for bit in range(3)])


def test_more_classes_than_a_mask_holds_are_refused(tmp_path):
    class Many(MultilabelData):
        class_names = tuple("abcdefgh")
        in_channels = 1

    with pytest.raises(ConfigError, match=r"^data: 8 overlapping classes; a mask holds 7; leave some out$"):
        Many(cache_dir=tmp_path)


CHEST = ("lung", "heart")


def test_folders_of_masks_need_a_reader_alone(tmp_path):
    """As docs/extending.md says: a mask file for each class, packed where they are read."""
    from PIL import Image

    from segbench.data.reading import read_image, read_mask, resize
    from segbench.data.records import Record, find_files

    chance = np.random.default_rng(0)
    for folder in ("images", "lung", "heart"):
        (tmp_path / folder).mkdir()
        for number in range(6):
            pixels = chance.integers(0, 256 if folder == "images" else 2, (20, 16), np.uint8)
            Image.fromarray(pixels if folder == "images" else 255 * pixels).save(tmp_path / folder / f"{number}.png")

    class Chests(MultilabelData):
        name = "chests"
        class_names = CHEST
        in_channels = 1

        def find_records(self):
            return [
                Record(image.stem, image.stem, image, files=tuple(self.root / name / image.name for name in CHEST))
                for image in find_files(self.root / "images", (".png",), "NAME.png")
            ], []

        def read(self, record):
            mask = bit_sets([read_mask(path, {0: 0, 255: 1}) == 1 for path in record.files])
            return resize(read_image(record.image, 1), mask, self.size)

    data = Chests(cache_dir=tmp_path / "cache", root=str(tmp_path))
    data.setup()
    item = data.datasets["test"][0]
    for plane, label in zip(item["mask"], data.class_names, strict=True):
        np.testing.assert_array_equal(plane * 255, np.asarray(Image.open(tmp_path / label / f"{item['id']}.png")))
    # Another mask is other data.
    mask = tmp_path / "heart" / "0.png"
    Image.fromarray(255 - np.asarray(Image.open(mask))).save(mask)
    again = Chests(cache_dir=tmp_path / "cache", root=str(tmp_path))
    assert again.find() != data.fingerprint
