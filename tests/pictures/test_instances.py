from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segbench.pictures.instances import FILLS, MISSED, RIM, match_objects, object_colours, paint
from segbench.pictures.palette import rgb

LABELS = arrays(np.int32, (6, 7), elements=st.integers(0, 5))


def boxes(*spans, shape=(10, 40)):
    labels = np.zeros(shape, np.int32)
    for label, (left, right) in enumerate(spans, start=1):
        labels[2:6, left:right] = label
    return labels


def naive(truth, predicted):
    """The partner of each truth object, one after the other."""
    found = []
    for label in np.unique(truth[truth > 0]):
        inside = truth == label
        shares = {int(other): (predicted[inside] == other).mean() for other in np.unique(predicted[predicted > 0])}
        found.append(next((other for other, share in shares.items() if share > 0.5), 0))
    return found


@pytest.mark.slow
@given(LABELS, LABELS)
def test_partners_are_those_of_the_definition(truth, predicted):
    matched = match_objects(truth, predicted)
    numbers = {int(label): number for number, label in enumerate(np.unique(predicted[predicted > 0]), start=1)} | {0: 0}
    assert matched.partner.tolist() == [0, *(numbers[label] for label in naive(truth, predicted))]
    assert set(matched.missed) == {label for label in range(1, len(matched.partner)) if matched.partner[label] == 0}
    assert set(matched.extra) == set(numbers.values()) - set(matched.partner.tolist()) - {0}


def test_half_an_object_is_not_found_and_a_split_one_leaves_the_smaller_part_over():
    truth = boxes((0, 4), (10, 20), (24, 28), (28, 34))
    predicted = boxes((2, 6), (10, 16), (17, 20), (24, 34))
    matched = match_objects(truth * 7, predicted)
    assert matched.partner.tolist() == [0, 0, 2, 4, 4]
    assert (matched.missed.tolist(), matched.extra.tolist(), matched.merged) == ([1], [1, 3], 1)


def test_nothing_on_a_side():
    some, none = boxes((0, 4), (6, 9)), boxes()
    assert match_objects(some, none).missed.tolist() == [1, 2]
    assert match_objects(none, some).extra.tolist() == [1, 2]
    assert match_objects(none, none).merged == 0
    assert np.isnan(object_colours(match_objects(some, none))[0]).all()
    with pytest.raises(ValueError, match="differ in size"):
        match_objects(some, none[:5])


def test_what_is_found_has_one_colour_on_both_sides_and_neighbours_have_others():
    spans = [(start, start + 3) for start in range(0, 40, 4)]
    matched = match_objects(boxes(*spans), boxes(*spans[:-1], (39, 40)))
    of_truth, of_prediction = object_colours(matched)
    np.testing.assert_array_equal(of_truth[1:-1], of_prediction[1:-1])
    assert np.isnan(of_truth[[0, -1]]).all()
    assert np.isnan(of_prediction[[0, -1]]).all()
    for first, second in pairwise(of_truth[1:-1]):
        assert tuple(first) != tuple(second)
    assert {tuple(colour) for colour in of_truth[1:-1]} == {rgb(colour) for colour in FILLS}


def test_one_object_has_a_colour_too():
    matched = match_objects(boxes((3, 9)), boxes((3, 9)))
    assert np.isfinite(object_colours(matched)[0][1]).all()


def test_found_objects_are_filled_and_others_outlined():
    matched = match_objects(boxes((2, 8), (20, 30)), boxes((2, 8)))
    of_truth, _ = object_colours(matched)
    picture = np.full((5, 20, 3), 0.2)
    result = paint(picture, matched.truth, of_truth, MISSED, least_side=200)
    assert result.shape == (50, 200, 3)
    np.testing.assert_allclose(result[20, 25], 0.45 * 0.2 + 0.55 * of_truth[1])
    np.testing.assert_allclose(result[10, 25], of_truth[1])
    np.testing.assert_allclose(result[20, 125], 0.2)
    np.testing.assert_allclose(result[10, 125], rgb(MISSED))
    np.testing.assert_allclose(result[8, 125], rgb(RIM))
    np.testing.assert_allclose(result[20, 60], 0.2)
    assert picture.max() == 0.2


def test_objects_that_touch_are_outlined_apart():
    labels = boxes((4, 12), (12, 20))
    result = paint(np.zeros((10, 40, 3)), labels, np.full((3, 3), np.nan), MISSED, least_side=400)
    np.testing.assert_allclose(result[40, 119:121], [rgb(MISSED)] * 2)
