import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from tests.examples import examples

from segbench.losses.distances import _codes, two_nearest


def naive(instances):
    """One distance transform for each object, and the two least of them."""
    transforms = [distance_transform_edt(instances != number) for number in np.unique(instances) if number]
    stack = np.stack([*transforms, *2 * [np.full(instances.shape, np.inf)]])
    return np.partition(stack, 1, axis=0)[:2]


def discs(random, shape, count, radius):
    """Objects that overlap, so that they touch, hide each other in part and lie over the border."""
    instances = np.zeros(shape, np.int32)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for number in range(1, count + 1):
        row, column = random.integers(-1, shape[0] + 1), random.integers(-1, shape[1] + 1)
        instances[np.hypot(rows - row, columns - column) <= random.uniform(0, radius)] = number
    return instances


def points(random, shape, count, radius):
    """Single pixels, in which ties and thin regions are frequent."""
    instances = np.zeros(shape, np.int32)
    places = random.permutation(instances.size)[:count]
    instances.ravel()[places] = 1 + np.arange(len(places))
    return instances


def blocks(random, shape, count, radius):
    """A full image: every pixel belongs to an object, every object touches others."""
    side = max(1, round(radius))
    height, width = -(-shape[0] // side), -(-shape[1] // side)
    return np.kron(random.integers(0, count + 1, (height, width)), np.ones((side, side), int))[: shape[0], : shape[1]]


def lines(random, shape, count, radius):
    """Rows and columns over the whole image, the later over the earlier: objects in many pieces."""
    instances = np.zeros(shape, np.int32)
    for number in range(1, count + 1):
        if random.random() < 0.5:
            instances[random.integers(shape[0])] = number
        else:
            instances[:, random.integers(shape[1])] = number
    return instances


@pytest.mark.slow
@examples(300)
@given(
    draw=st.sampled_from([discs, points, blocks, lines]),
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    count=st.integers(0, 300),
    radius=st.floats(0, 8),
)
@example(draw=points, seed=0, shape=(40, 40), count=300, radius=1.0)
@example(draw=discs, seed=0, shape=(40, 40), count=300, radius=2.0)
@example(draw=discs, seed=0, shape=(40, 40), count=1, radius=8.0)
@example(draw=discs, seed=0, shape=(40, 40), count=0, radius=8.0)
def test_both_distances_are_those_of_a_transform_for_each_object(draw, seed, shape, count, radius):
    instances = draw(np.random.default_rng(seed), shape, count, radius)
    for found, expected in zip(two_nearest(instances), naive(instances), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_numbers_mean_nothing(dtype):
    instances = discs(np.random.default_rng(1), (30, 30), 12, 4)
    new = np.random.default_rng(2).permutation(np.arange(1, np.iinfo(np.uint8).max))[:13]
    renamed = np.where(instances, new[instances], 0).astype(dtype)
    if dtype == np.int64:
        renamed *= 10**15
    np.testing.assert_allclose(two_nearest(renamed), two_nearest(instances), rtol=1e-6)


def test_without_an_object_a_distance_is_infinite():
    none = np.zeros((3, 4), np.int32)
    assert np.isinf(two_nearest(none)).all()
    one = none.copy()
    one[1, 1] = 7
    first, second = two_nearest(one)
    assert first.tolist()[1] == [1, 0, 1, 2]
    assert np.isinf(second).all()


def test_what_is_returned_may_be_written_to():
    for distances in (two_nearest(np.zeros((3, 4), np.int32)), two_nearest(np.eye(3, dtype=np.int32))):
        distances[0][:] = 1
        assert not (distances[1] == 1).all()


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 2)), np.zeros((2, 2), bool), np.zeros((1, 2, 2), int), np.array([[-1, 2]])]
)
def test_what_is_no_map_of_objects_is_refused(bad):
    with pytest.raises(ValueError, match="^instances: "):
        two_nearest(bad)


@pytest.mark.slow
@pytest.mark.parametrize("count", [*range(2, 80), 171, 252, 253, 300])
def test_every_object_has_a_bit_that_another_lacks(count):
    codes = _codes(count)
    assert not codes[0].any()
    assert codes.any(axis=0).all()
    only = codes[1:].astype(int) @ (~codes[1:]).astype(int).T  # bits of the row's object that the column's has not
    assert (only[~np.eye(count, dtype=bool)] > 0).all()


def test_the_number_of_transforms_hardly_grows_with_the_number_of_objects():
    assert [_codes(count).shape[1] for count in (2, 10, 171, 300, 65535)] == [2, 5, 10, 11, 19]
