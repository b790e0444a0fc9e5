import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from segbench.data.plane import Plane

SIDE = st.integers(1, 40)


@examples(200)
@given(st.tuples(SIDE, SIDE), st.tuples(SIDE, SIDE))
def test_cropping_and_padding_are_undone_but_for_what_was_cropped(source, size):
    plane = Plane(source, source, size)
    labels = np.random.default_rng(0).integers(1, 4, source).astype(np.uint8)
    mask = plane.mask(labels, outside=255)
    assert mask.shape == size
    probabilities = np.eye(4, dtype=np.float32)[np.where(mask == 255, 0, mask)].transpose(2, 0, 1)
    back = plane.restore(probabilities).argmax(axis=0)
    kept = back > 0
    np.testing.assert_array_equal(back[kept], labels[kept])
    assert kept.sum() == min(source[0], size[0]) * min(source[1], size[1])


def test_a_resampled_disc_keeps_its_size_in_mm_and_its_centre():
    y, x = np.mgrid[:100, :150]
    disc = (((y - 49.5) * 1.2) ** 2 + ((x - 74.5) * 0.8) ** 2 < 30**2).astype(np.float32)
    plane = Plane.of((100, 150), (1.2, 0.8), 1.5, (96, 96))
    assert plane.resampled == (80, 80)
    image = plane.image(disc[:, :, None])[:, :, 0]
    rows, columns = np.nonzero(image > 0.5)
    assert abs(rows.mean() - 47.5) < 0.05
    assert abs(columns.mean() - 47.5) < 0.05
    assert (image > 0.5).sum() * 1.5**2 == pytest.approx(np.pi * 30**2, rel=0.01)
    probabilities = np.stack([1 - image, image])
    back = plane.restore(probabilities)
    assert back.shape == (2, 100, 150)
    overlap = ((back[1] > 0.5) & (disc > 0.5)).sum()
    assert 2 * overlap / ((back[1] > 0.5).sum() + disc.sum()) > 0.98
    np.testing.assert_allclose(back.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("classes", [1, 4, 5, 9])
@pytest.mark.parametrize("source", [(20, 12), (50, 70)])
def test_any_number_of_classes_comes_back(classes, source):
    probabilities = np.random.default_rng(0).random((classes, 32, 32)).astype(np.float32)
    back = Plane(source, (32, 32), (32, 32)).restore(probabilities)
    assert back.shape == (classes, *source)
    for one, alone in zip(back, probabilities, strict=True):
        method = cv2.INTER_AREA if source[0] < 32 else cv2.INTER_LINEAR
        np.testing.assert_allclose(one, cv2.resize(alone, source[::-1], interpolation=method), rtol=1e-6)


def test_shrinking_averages_and_growing_interpolates():
    pixels = np.random.default_rng(0).random((8, 8, 2)).astype(np.float32)
    shrunk = Plane.of((8, 8), (1, 1), 2.0, None).image(pixels)
    np.testing.assert_allclose(shrunk, pixels.reshape(4, 2, 4, 2, 2).mean(axis=(1, 3)), rtol=1e-6)
    grown = Plane.of((8, 8), (1, 1), 0.5, None).image(pixels)
    np.testing.assert_allclose(grown, cv2.resize(pixels, (16, 16), interpolation=cv2.INTER_LINEAR))
