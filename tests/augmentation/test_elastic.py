import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from tests.examples import examples

from segbench.augmentation import Augmentation, Elastic
from segbench.augmentation.elastic import smoothed
from segbench.errors import ConfigError

CHANCE = np.random.default_rng(0)


def places(transform, shape, seed=0):
    """Where the transform takes its pixels from: float32 (H,W) twice, rows then columns."""
    transform.set_random_seed(seed)
    drawn = transform.get_params_dependent_on_data({"shape": shape}, {})
    return drawn["from_y"], drawn["from_x"]


@pytest.mark.slow
@examples(25)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    sigma=st.floats(0.5, 6),
    alpha=st.floats(0, 80),
    kind=st.sampled_from([np.uint8, np.uint16, np.float32]),
    channels=st.sampled_from([1, 2, 3, 5]),
    seed=st.integers(0, 2**32),
)
def test_the_formula(shape, sigma, alpha, kind, channels, seed):
    """Against scipy alone: noise, Gaussian, times alpha, map_coordinates."""
    transform = Elastic(alpha=(alpha, alpha), sigma=sigma, p=1.0)
    transform.set_random_seed(seed)
    # The draws in their order: alpha, which is certain here, comes from another stream.
    margin = int(4 * sigma + 0.5)
    noise = np.random.default_rng(seed).uniform(-1, 1, (2, shape[0] + 2 * margin, shape[1] + 2 * margin))
    inner = (slice(margin, margin + shape[0]), slice(margin, margin + shape[1]))
    dx, dy = (alpha * ndimage.gaussian_filter(field, sigma, truncate=4.0)[inner] for field in noise)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = (CHANCE.random((*shape, channels)) * 250).astype(kind)
    mask = CHANCE.integers(0, 3, shape).astype(np.uint8)
    moved = transform(image=image, mask=mask)
    assert (moved["image"].dtype, moved["image"].shape) == (image.dtype, image.shape)
    for channel in range(channels):
        expected = ndimage.map_coordinates(
            image[..., channel].astype(float), [rows + dy, columns + dx], order=1, mode="grid-constant"
        )
        # Half a grey value of rounding; otherwise what float32 loses.
        assert np.abs(moved["image"][..., channel] - expected).max() <= (0.02 if kind == np.float32 else 0.52)
    # scipy's order 0 takes the nearest pixel as well; places half-way between two may round either way.
    expected = ndimage.map_coordinates(mask, [rows + dy, columns + dx], order=0, mode="grid-constant", cval=255)
    half = np.minimum(*(np.abs(part % 1 - 0.5) for part in (rows + dy, columns + dx))) < 1e-4
    assert np.array_equal(moved["mask"][~half], expected[~half])


def test_a_displacement_of_one_pixel_takes_the_next_one():
    """Out(x, y) = in(x + dx, y + dy), as in the example of the paper."""
    image = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    rows, columns = np.mgrid[:3, :4].astype(np.float32)
    moved = Elastic().apply(image, from_x=columns + 1, from_y=rows)
    assert moved[..., 0].tolist() == [[1, 2, 3, 0], [5, 6, 7, 0], [9, 10, 11, 0]]
    moved = Elastic().apply(image, from_x=columns + 0.25, from_y=rows + 0.5)
    assert moved[0, 0, 0] == pytest.approx(0.5 * (0.75 * 0 + 0.25 * 1) + 0.5 * (0.75 * 4 + 0.25 * 5))
    mask = Elastic().apply_to_mask(np.ones((3, 4), np.uint8), from_x=columns, from_y=rows - 1)
    assert mask.tolist() == [[255] * 4, [1] * 4, [1] * 4]


def test_alpha_0_changes_nothing():
    image = CHANCE.integers(0, 60000, (33, 20, 1)).astype(np.uint16)
    mask = CHANCE.integers(0, 3, (33, 20)).astype(np.uint8)
    moved, moved_mask = Augmentation([Elastic(alpha=(0, 0))])(image, mask, 3)
    assert np.array_equal(moved, image)
    assert np.array_equal(moved_mask, mask)


def test_the_smoothing_is_scipy_s_and_needs_no_border():
    noise = CHANCE.uniform(-1, 1, (60, 70)).astype(np.float32)
    for mode in ("reflect", "constant", "wrap"):
        expected = ndimage.gaussian_filter(noise.astype(float), 4.0, truncate=4.0, mode=mode)[16:-16, 16:-16]
        assert np.allclose(smoothed(noise, 4.0, 16), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [2.0, 4.0])
def test_displacements_are_as_large_at_the_border_as_inside(sigma):
    """Their standard deviation is alpha / (sigma sqrt(12 pi)), and dx has nothing to do with dy."""
    drawn = [places(Elastic(alpha=(60, 60), sigma=sigma), (32, 32), seed) for seed in range(300)]
    dy = np.stack([rows for rows, _ in drawn]) - np.arange(32)[:, None]
    dx = np.stack([columns for _, columns in drawn]) - np.arange(32)
    expected = 60 / (sigma * np.sqrt(12 * np.pi))
    for field in (dx, dy):
        assert field.mean() == pytest.approx(0, abs=0.05 * expected)
        for part in (field[:, 0], field[:, -1], field[:, :, 0], field[:, :, -1], field[:, 8:24, 8:24]):
            assert part.std() == pytest.approx(expected, rel=0.07)
    assert abs(np.corrcoef(dx.ravel(), dy.ravel())[0, 1]) < 0.05


def test_alpha_is_drawn_uniformly_from_its_range():
    # The same noise for every alpha: the field is proportional to it.
    transform = Elastic(alpha=(10, 50))
    whole = places(Elastic(alpha=(1, 1)), (4, 4))[1] - np.arange(4)
    alphas = []
    for seed in range(400):
        transform.set_random_seed(0)
        transform.py_random.seed(seed)
        drawn = transform.get_params_dependent_on_data({"shape": (4, 4)}, {})["from_x"] - np.arange(4)
        alphas.append((drawn / whole).mean())
    assert min(alphas) >= 9.99
    assert max(alphas) <= 50.01
    counts = np.histogram(alphas, bins=4, range=(9.9, 50.1))[0]
    assert all(57 < count < 143 for count in counts)


def test_the_seed_alone_decides():
    augmentation = Augmentation([Elastic(p=0.5), Elastic(p=0.5)])
    image = CHANCE.integers(0, 60000, (24, 24, 1)).astype(np.uint16)
    mask = np.zeros((24, 24), np.uint8)
    drawn = [augmentation(image, mask, seed)[0] for seed in range(40)]
    np.random.seed(1)
    assert all(np.array_equal(augmentation(image, mask, seed)[0], drawn[seed]) for seed in reversed(range(40)))
    # Ten samples of forty are expected to pass neither; all others differ.
    unchanged = sum(np.array_equal(moved, image) for moved in drawn)
    assert 1 <= unchanged <= 24
    assert len({moved.tobytes() for moved in drawn}) == 41 - unchanged


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"alpha": (5, 1)}, r"alpha=\[5, 1\] must be \[low, high\] with 0 <= low <= high"),
        ({"alpha": (-1, 1)}, r"alpha=\[-1, 1\] must be"),
        ({"alpha": (1, 2, 3)}, r"alpha=\[1, 2, 3\] must be"),
        ({"alpha": (0, float("inf"))}, r"alpha=\[0, inf\] must be"),
        ({"sigma": 0}, "sigma=0 must be above 0"),
        ({"p": 2}, "Elastic: p=2 is not a probability"),
    ],
)
def test_what_is_refused(settings_, message):
    with pytest.raises(ConfigError, match=message):
        Elastic(**settings_)
