import albumentations
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from segbench.augmentation import Augmentation, MirrorTiles
from segbench.errors import ConfigError

CHANCE = np.random.default_rng(0)


def by_hand(array, lower, right):
    """Cut the quarter out, reflect it up and down, then sideways."""
    height, width = array.shape[:2]
    rows, columns = -(-height // 2), -(-width // 2)
    quarter = array[height - rows :] if lower else array[:rows]
    quarter = quarter[:, width - columns :] if right else quarter[:, :columns]
    # The middle row and column of an odd size are there once.
    back, odd = quarter[::-1], height % 2
    tall = np.concatenate([back[: rows - odd], quarter] if lower else [quarter, back[odd:]])
    back, odd = tall[:, ::-1], width % 2
    return np.concatenate([back[:, : columns - odd], tall] if right else [tall, back[:, odd:]], axis=1)


@pytest.mark.slow
@examples(50)
@given(
    shape=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    channels=st.sampled_from([1, 3]),
    kind=st.sampled_from([np.uint8, np.uint16, np.float32]),
    seed=st.integers(0, 2**32),
)
def test_one_quarter_fills_image_mask_and_planes_alike(shape, channels, kind, seed):
    chance = np.random.default_rng(seed)
    image = (chance.random((*shape, channels)) * 255).astype(kind)
    mask = chance.integers(0, 3, shape).astype(np.uint8)
    planes = {"instances": chance.integers(0, 70000, shape).astype(np.int32)}
    moved, moved_mask, moved_planes = Augmentation([MirrorTiles(p=1.0)]).apply(image, mask, planes, seed)
    assert (moved.dtype, moved.shape) == (image.dtype, image.shape)
    assert any(
        np.array_equal(moved, by_hand(image, lower, right))
        and np.array_equal(moved_mask, by_hand(mask, lower, right))
        and np.array_equal(moved_planes["instances"], by_hand(planes["instances"], lower, right))
        for lower in (False, True)
        for right in (False, True)
    )


def test_four_quarters_equally_often_and_seldom_by_default():
    image, mask = CHANCE.integers(0, 256, (8, 6, 1)).astype(np.uint8), np.arange(48, dtype=np.uint8).reshape(8, 6)
    quarters = [by_hand(mask, lower, right).tobytes() for lower in (0, 1) for right in (0, 1)]
    always = Augmentation([MirrorTiles(p=1.0)])
    drawn = [always(image, mask, seed)[1].tobytes() for seed in range(400)]
    # 100 expected of each; five standard deviations are 43.
    assert all(57 < drawn.count(quarter) < 143 for quarter in quarters)
    assert sum(drawn.count(quarter) for quarter in quarters) == 400
    seldom = Augmentation([MirrorTiles()])
    unchanged = sum(np.array_equal(seldom(image, mask, seed)[1], mask) for seed in range(400))
    assert 330 < unchanged < 390


def test_the_picture_of_the_report():
    """A quarter, below it its reflection, and both again beside: symmetrical about both axes."""
    mask = np.array([[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.uint8)
    transform = MirrorTiles(p=1.0)
    expected = [[1, 2, 2, 1], [3, 4, 4, 3], [3, 4, 4, 3], [1, 2, 2, 1]]
    assert transform.apply(mask, lower=False, right=False).tolist() == expected
    assert albumentations.HorizontalFlip(p=1.0)(image=np.array(expected))["image"].tolist() == expected


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_no_probability_is_refused(p):
    with pytest.raises(ConfigError, match=r"MirrorTiles: p=.* is not a probability; set it between 0 and 1"):
        MirrorTiles(p=p)
