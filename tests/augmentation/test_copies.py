import numpy as np
import pytest
from PIL import Image

from segbench.augmentation import Augmentation, QuarterTurns
from segbench.errors import ConfigError

CHANCE = np.random.default_rng(0)


@pytest.mark.parametrize("degrees", [-90, 180, 90, 270])
def test_a_turn_is_what_pillow_makes_of_it(degrees):
    image = CHANCE.integers(0, 256, (7, 7, 3)).astype(np.uint8)
    mask = CHANCE.integers(0, 4, (7, 7)).astype(np.uint8)
    turned, turned_mask = QuarterTurns(degrees)(image, mask)
    # Pillow's angles are counter-clockwise too.
    assert np.array_equal(turned, np.asarray(Image.fromarray(image).rotate(degrees)))
    assert np.array_equal(turned_mask, np.asarray(Image.fromarray(mask).rotate(degrees)))
    assert turned.flags.c_contiguous


def test_minus_90_is_clockwise():
    mask = np.array([[1, 0], [0, 0]], np.uint8)
    assert QuarterTurns(-90)(mask[..., None], mask)[1].tolist() == [[0, 1], [0, 0]]


def test_what_is_refused():
    for degrees in (0, 45, 360):
        with pytest.raises(ConfigError, match=f"degrees={degrees} must be a multiple of 90"):
            QuarterTurns(degrees)
    with pytest.raises(ConfigError, match="turned 180, turned 180: two are the same"):
        Augmentation(copies=[QuarterTurns(180), QuarterTurns(180)])
    image, mask = np.zeros((4, 6, 1), np.uint8), np.zeros((4, 6), np.uint8)
    with pytest.raises(ConfigError, match="image of 4x6 would change its shape when turned -90 .*data.size"):
        QuarterTurns(-90)(image, mask)
    assert QuarterTurns(180)(image, mask)[1].shape == (4, 6)
