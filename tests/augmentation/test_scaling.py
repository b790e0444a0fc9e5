import cv2
import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from tests.examples import examples

from segbench.augmentation import Augmentation, ScaleCrop
from segbench.errors import ConfigError

HEIGHT, WIDTH = 40, 60
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
# Colours that tell where a pixel is from: 4 levels of red a row, of green a column.
IMAGE = np.stack([ROWS * 4, COLUMNS * 4, np.full_like(ROWS, 9)], axis=-1).astype(np.uint8)
MASK = (ROWS // 10 * 6 + COLUMNS // 10).astype(np.uint8)


def moved(scale, seed, image=IMAGE, mask=MASK):
    return Augmentation([ScaleCrop(scale=scale)])(image, mask, seed)


@examples(30)
@given(st.integers(0, 10**6), st.floats(0.3, 3), st.sampled_from([1, 2, 3, 5]), st.sampled_from([np.uint8, np.float32]))
def test_shape_and_type_stay_and_known_pixels_are_the_image_s(seed, factor, channels, kind):
    image = np.random.default_rng(seed).integers(1, 255, (HEIGHT, WIDTH, channels)).astype(kind)
    found, mask = moved((factor, factor), seed, image)
    assert (found.shape, found.dtype) == (image.shape, kind)
    assert (mask.shape, mask.dtype) == (MASK.shape, np.uint8)
    assert set(np.unique(mask)) <= {*np.unique(MASK), 255}
    assert ((mask == 255) == (found == 0).all(axis=2)).all()
    # As large a part is known as the factor leaves, to half a pixel a side.
    rows, columns = (mask != 255).any(axis=1).sum(), (mask != 255).any(axis=0).sum()
    assert abs(rows - HEIGHT * min(factor, 1)) <= 0.5
    assert abs(columns - WIDTH * min(factor, 1)) <= 0.5


@pytest.mark.parametrize("factor", [1.25, 1.6, 2.0])
def test_a_larger_factor_shows_a_window_of_the_image(factor):
    places = set()
    for seed in range(20):
        found, mask = moved((factor, factor), seed)
        steps = np.diff(found[..., 0].astype(float), axis=0)
        assert steps[2:-2].mean() == pytest.approx(4 / factor, rel=0.1)  # one pixel is 4 levels
        # Image and mask show the same place: a block's number is told by the colour, but for its borders.
        known = found.astype(float) / 4
        told = np.floor((known[..., 0] + 0.5) / 10) * 6 + np.floor((known[..., 1] + 0.5) / 10)
        assert (told == mask).mean() > 0.8
        places.add(tuple(found[0, 0]))
    assert len(places) > 10


def test_a_smaller_factor_shows_the_whole_image_on_empty_ground():
    for seed in range(10):
        found, mask = moved((0.5, 0.5), seed)
        top, left = np.argwhere(mask != 255)[0]
        window = (slice(top, top + HEIGHT // 2), slice(left, left + WIDTH // 2))
        expected = IMAGE.reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(found[window], expected, atol=0.51)
        assert np.isin(mask[window], MASK).all()
        assert found.sum() == found[window].sum()
        nearest = cv2.resize(MASK, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_NEAREST_EXACT)
        assert (mask[window] == nearest).all()


def test_a_factor_of_one_changes_nothing():
    found, mask = moved((1, 1), 3)
    assert np.array_equal(found, IMAGE)
    assert np.array_equal(mask, MASK)


def test_larger_and_smaller_are_as_likely():
    known = [(moved((0.5, 2.0), seed)[1] != 255).all() for seed in range(300)]
    assert 150 - 43 < sum(known) < 150 + 43  # five standard deviations


def test_planes_go_where_their_pixels_go():
    augmentation = Augmentation([ScaleCrop(scale=(0.5, 2.0))])
    for seed in range(10):
        instances = MASK.astype(np.int32) + 1000
        _, mask, planes = augmentation.apply(IMAGE, MASK, {"instances": instances}, seed)
        assert np.array_equal(planes["instances"], np.where(mask == 255, 0, mask.astype(np.int32) + 1000))


@pytest.mark.parametrize("scale", [(0, 1), (2, 1), (1,), (-1, 1), (1, float("inf")), (float("nan"), 1)])
def test_impossible_ranges_are_refused(scale):
    with pytest.raises(ConfigError, match=r"^augmentation: ScaleCrop: scale=\[.*\] must be \[low, high\]"):
        ScaleCrop(scale=scale)
    with pytest.raises(ConfigError, match="p=2 is not a probability"):
        ScaleCrop(p=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_street_mirrors_scales_and_jitters(repository, channels):
    augmentation = instantiate(OmegaConf.load(repository / "conf" / "augmentation" / "street.yaml"))
    image = IMAGE[..., :channels] + np.uint8(10)
    results = [augmentation(image, MASK, seed) for seed in range(40)]
    assert all(found.shape == image.shape and found.dtype == np.uint8 for found, _ in results)
    assert np.array_equal(augmentation(image, MASK, 5)[0], results[5][0])
    rows = [mask[HEIGHT // 2][mask[HEIGHT // 2] != 255] for _, mask in results]
    mirrored = [row for row in rows if row.size and row[0] > row[-1]]  # labels grow from left to right
    assert 8 < len(mirrored) < 32
    assert len({found.tobytes() for found, _ in results}) == 40
