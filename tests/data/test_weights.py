"""Weights of pixels that a loss asks for: computed once, cached, and moved with the image."""

import numpy as np
import pytest
import torch

from segbench.augmentation import Augmentation, QuarterTurns
from segbench.data.loader import Draw
from segbench.data.phantom import PhantomData
from segbench.errors import DataError
from segbench.losses import CrossEntropy
from segbench.scores.objects import components


class Places:
    """Weighs each pixel by its place, the class it has and the object it is of, and counts how often it is asked."""

    def __init__(self, factor=1.0):
        self.factor, self.asked = factor, 0

    def pixel_weights(self, mask, instances):
        self.asked += 1
        place = np.arange(mask.size, dtype=np.float32).reshape(mask.shape)
        return self.factor * (place + 1e4 * mask + 1e5 * (instances > 0)).astype(np.float32)

    def weight_settings(self):
        return {"factor": self.factor}


def phantom(tmp_path, weights, **options):
    settings = {"subjects": 6, "slices": 2, "size": [32, 32], "cache_dir": tmp_path / "cache"} | options
    data = PhantomData(**settings)
    if weights is not None:
        data.weigh_by(weights)
    data.setup()
    return data


def expected(item, factor=1.0):
    mask = item["mask"].numpy()
    inside = np.zeros(mask.shape, bool)
    for label in (1, 2, 3):
        inside |= components(mask == label) > 0
    return factor * (np.arange(mask.size).reshape(mask.shape) + 1e4 * mask + 1e5 * inside)


def test_every_item_has_the_weights_of_its_image(tmp_path):
    data = phantom(tmp_path, Places())
    for split in ("train", "val", "test"):
        for index in range(len(data.datasets[split])):
            item = data.datasets[split][index]
            assert item["weight"].dtype == torch.float32
            assert np.array_equal(item["weight"].numpy(), expected(item))
    for unweighed in (None, CrossEntropy()):
        assert "weight" not in phantom(tmp_path, unweighed).datasets["train"][0]


def test_weights_are_computed_once_for_each_setting(tmp_path):
    first, again, other = Places(), Places(), Places(2.0)
    data = phantom(tmp_path, first)
    phantom(tmp_path, again)
    changed = phantom(tmp_path, other)
    assert (first.asked, again.asked, other.asked) == (len(data.records), 0, len(data.records))
    assert torch.equal(changed.datasets["val"][0]["weight"], 2 * data.datasets["val"][0]["weight"])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_weights_go_where_their_pixels_go(tmp_path, workers):
    from albumentations import HorizontalFlip, VerticalFlip

    moving = Augmentation([HorizontalFlip(p=0.5), VerticalFlip(p=0.5)], copies=[QuarterTurns(180)])
    data = phantom(tmp_path, Places(), augmentation=moving, tiles="2x1", num_workers=workers)
    plain = phantom(tmp_path, Places(), tiles="2x1").datasets["train"]
    train = data.datasets["train"]
    seen = set()
    loader = torch.utils.data.DataLoader(
        train, sampler=[Draw(3, item) for item in range(len(train))], num_workers=workers
    )
    for item, batch in enumerate(loader):
        weight, mask, image = (batch[name][0].numpy() for name in ("weight", "mask", "image"))
        original = plain[item % len(plain)]
        place = (weight % 1e4).astype(int) % (32 * 32)
        start = place.min() // 32 * 32
        assert np.array_equal(mask.ravel(), original["mask"].numpy().ravel()[place.ravel() - start])
        assert np.array_equal(image[0].ravel(), original["image"][0].numpy().ravel()[place.ravel() - start])
        seen.add(tuple(place[[0, 0, -1], [0, -1, 0]] - start))
    # Turned or not, and mirrored or not both ways, makes four.
    assert len(seen) == 4


def test_objects_that_cannot_be_read_are_told_with_the_folder_of_the_data(tmp_path):
    class Unreadable(PhantomData):
        def weigh(self, arrays):
            self.place = f"data.root={tmp_path / 'data'}"
            return super().weigh(arrays)

    class Refusing(Places):
        def pixel_weights(self, mask, instances):
            raise DataError("objects.png: damaged")

    data = Unreadable(subjects=6, slices=2, size=[32, 32], cache_dir=tmp_path / "cache")
    data.weigh_by(Refusing())
    with pytest.raises(DataError, match=rf"^data.root={tmp_path / 'data'}: 1 file cannot be used"):
        data.setup()
