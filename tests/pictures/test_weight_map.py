import numpy as np
import pytest
from matplotlib.colors import LogNorm

from segbench.masks import MaskKey
from segbench.pictures.weight_map import GAP, SIDE, border_part, border_weight, draw_weight_map

GAP_PLACE = (140, 61)
KEY = MaskKey(("background", "cell", "boundary"))


@pytest.fixture
def near():
    """Image, mask and weights: two cells with a gap of two columns, one far from them, all with a rim of its class."""
    mask = np.zeros((200, 300), np.uint8)
    for left in (40, 62, 240):
        mask[129:151, left - 1 : left + 21] = 2
        mask[130:150, left : left + 20] = 1
    mask[:, :5] = 255
    weight = np.array([0.3, 5.0, 30.0, 0.0])[np.minimum(mask, 3)].astype(np.float32)
    weight[130:150, 60:62] += 10
    return np.full(mask.shape, 0.5), mask, weight


def test_the_border_term_is_what_a_pixel_weighs_over_the_lightest_of_its_class(near):
    _, mask, weight = near
    border = border_weight(mask, weight)
    expected = np.zeros(mask.shape)
    expected[130:150, 60:62] = 10
    np.testing.assert_allclose(border, expected, atol=1e-5)
    weight[mask == 255] = 1000
    np.testing.assert_allclose(border_weight(mask, weight), expected, atol=1e-5)


@pytest.mark.parametrize("place", [(140, 61), (0, 0), (199, 299), (3, 150)])
def test_the_part_is_around_the_border_and_inside_the_image(place):
    border = np.zeros((200, 300))
    border[place] = 1
    rows, columns = border_part(border)
    assert rows.stop - rows.start == columns.stop - columns.start == SIDE
    assert rows.start <= place[0] < rows.stop <= 200
    assert columns.start <= place[1] < columns.stop <= 300
    if place == GAP_PLACE:
        assert abs(rows.start + SIDE // 2 - place[0]) <= GAP // 2 + 1
    small = border_part(border[:50, :40] + 1e-3)
    assert small == (slice(0, 50), slice(0, 40))


def test_the_line_between_two_near_cells_is_the_brightest_of_what_is_shown(near):
    figure = draw_weight_map(*near, KEY, words="part of t_60; w0 10")
    pictures = [axes.images[0] for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in figure.axes[:4]] == [
        "image",
        "truth",
        "pixel weight",
        "border term",
    ]
    weights, border = (np.asarray(picture.get_array()) for picture in pictures[2:4])
    assert isinstance(pictures[2].norm, LogNorm)
    assert weights.shape == border.shape == (SIDE, SIDE)
    assert (weights.max(), weights.min()) == pytest.approx((40, 0.3))
    assert (border > 9).sum() == 40
    np.testing.assert_array_equal(weights > 35, border > 9)
    assert figure.get_suptitle() == "part of t_60; w0 10"


def test_without_two_near_objects_there_is_nothing_to_show(near):
    image, mask, _ = near
    with pytest.raises(ValueError, match="no border"):
        draw_weight_map(image, mask, np.where(mask == 1, 5.0, 1.0), KEY)
    with pytest.raises(ValueError, match="differ in size"):
        draw_weight_map(image[:10], mask, np.ones(mask.shape), KEY)
